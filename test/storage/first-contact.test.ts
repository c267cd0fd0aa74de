import type { Decision, Judge, Plan } from '../../src/core/check.js'
import { SentinelError } from '../../src/core/errors.js'
import { combine } from '../../src/storage/combine.js'
import type { GrammyAdapter, KeptDocument } from '../../src/storage/grammy/documents.js'
import { fromGrammyStorage } from '../../src/storage/grammy-storage.js'
import { memory } from '../../src/storage/memory/memory.js'
import { makeResilient } from '../../src/storage/protection/make-resilient.js'
import type { ResilientOptions } from '../../src/storage/resilient/options.js'
import { resilient } from '../../src/storage/resilient.js'
import { Stage } from '../middleware/rig.js'
import {
  ALICE,
  askOf,
  BOB,
  BOT,
  blocked,
  bucket,
  isAdmitted,
  type Outage,
  outage,
  planOf,
  settled,
} from './outage.js'

/*
 * The first call of a storage connects, loads scripts or functions and creates tables: that takes longer than any later call, and is no
 * sign of a fault.
 */

const MAIN: Plan = { name: 'main', scopes: ['user'], checks: [bucket(3)] }
const HANDLER: Plan = { name: 'main/handler', scopes: ['user'], checks: [bucket(1)] }

const open: Outage[] = []

afterEach(async () => {
  for (const { remote, storage } of open.splice(0)) {
    remote.delay = 0
    remote.resume()
    await storage.close().catch(() => undefined)
  }
})

function rig(options: ResilientOptions = {}): Outage {
  const one = outage(options)
  open.push(one)
  return one
}

/** Records the result of a promise. */
function watched<T>(promise: PromiseLike<T> | T): { value?: T; error?: unknown } {
  const seen: { value?: T; error?: unknown } = {}
  Promise.resolve(promise).then(
    (value) => {
      seen.value = value
    },
    (error) => {
      seen.error = error
    },
  )
  return seen
}

describe('a storage that has not answered yet', () => {
  test('is waited for by the first updates, and decides them', async () => {
    const { storage, remote, pass, told } = rig()
    remote.fault = 'hangs'
    const preparing = watched(storage.prepare(planOf(bucket(1))))
    await pass(1975)
    expect(preparing).toEqual({})
    remote.resume()
    await settled()
    const judge = preparing.value as Judge
    expect(isAdmitted(await judge.evaluate(askOf()))).toBe(true)
    expect(isAdmitted(await judge.evaluate(askOf()))).toBe(false)
    expect(remote.asked.filter((what) => what === 'evaluate')).toHaveLength(2)
    expect((await storage.health()).circuit).toMatchObject({ state: 'closed', instead: 0, outages: 0 })
    expect(told).toEqual([])
  })

  test('is waited for by other calls, too', async () => {
    const { storage, remote, pass } = rig()
    remote.delay = 1500
    const asked = [storage.marks.get(BOT, ALICE, 'blocked'), storage.values.get('a', 'b')].map(watched)
    await pass(1600)
    expect(asked).toEqual([{ value: undefined }, { value: undefined }])
    // After its first answer only the usual time-out applies.
    const later = watched(storage.values.get('a', 'b'))
    await pass(250)
    expect(later.error).toMatchObject({ code: 'storage.unavailable' })
  })

  test('is down after one timeout: this is reported, all waiting updates are decided at once, and none waits after that', async () => {
    const { storage, remote, pass, told, time } = rig()
    remote.fault = 'hangs'
    const plans = Array.from({ length: 20 }, (_, i) =>
      watched(storage.prepare({ ...MAIN, name: `plan ${i}` })),
    )
    await pass(500)
    // So many that nested callbacks would overflow the stack.
    const asked = Array.from({ length: 20_000 }, () => watched(storage.values.get('a', 'b')))
    await pass(1475)
    expect(told).toEqual([])
    expect([...plans, ...asked].every((seen) => Object.keys(seen).length === 0)).toBe(true)
    time.advance(25)
    await settled()
    expect(told).toEqual([{ is: 'down', kind: expect.any(String), reason: 'TIMEOUT' }])
    expect(plans.every(({ value }) => value !== undefined)).toBe(true)
    expect(asked.every(({ error }) => (error as SentinelError).code === 'storage.unavailable')).toBe(true)
    const later = watched(storage.prepare({ ...MAIN, name: 'later' }))
    await settled()
    expect(later.value).toBeDefined()
    expect(isAdmitted(await (later.value as Judge).evaluate(askOf()))).toBe(true)
    remote.resume()
    await pass(1000)
    expect(told.map(({ is }) => is)).toEqual(['down', 'up'])
    remote.asked.length = 0
    for (const { value } of [...plans, later]) await (value as Judge).evaluate(askOf(BOB))
    expect(remote.asked).toHaveLength(21)
  })

  test('is down after the first timeout of another call, too', async () => {
    const { storage, remote, pass, told } = rig()
    remote.fault = 'hangs'
    const asked = watched(storage.marks.get(BOT, ALICE, 'blocked'))
    await pass(2000)
    expect(asked.error).toMatchObject({ code: 'storage.unavailable' })
    expect(told).toEqual([{ is: 'down', kind: expect.any(String), reason: 'TIMEOUT' }])
  })

  test.each(['refuses', 'throws'] as const)('and that %s is down at once, for that reason', async (fault) => {
    const { storage, remote, told } = rig()
    remote.fault = fault
    const asked = watched(storage.values.get('a', 'b'))
    const judge = await storage.prepare(planOf(bucket(1), blocked))
    expect(isAdmitted(await judge.evaluate(askOf()))).toBe(true)
    expect(asked.error).toMatchObject({ code: 'storage.unavailable' })
    expect(told).toEqual([{ is: 'down', kind: expect.any(String), reason: 'ECONNREFUSED' }])
    expect((await storage.health()).circuit).toMatchObject({ reason: 'ECONNREFUSED' })
  })

  test('and was called again is not down because of the result of the first call', async () => {
    const { storage, remote, pass, told } = rig()
    remote.fault = 'hangs'
    const preparing = watched(storage.prepare(MAIN))
    await pass(2000)
    // As behind a dead connection, which is detected only much later.
    remote.fault = 'none'
    await pass(1000)
    expect(told.map(({ is }) => is)).toEqual(['down', 'up'])
    remote.kill()
    await pass(1000)
    expect(told).toHaveLength(2)
    remote.asked.length = 0
    await (preparing.value as Judge).evaluate(askOf())
    expect(remote.asked).toEqual(['evaluate'])
  })

  test('is waited for as long as firstTimeout', async () => {
    const { storage, remote, pass, told } = rig({ timeout: '100ms', firstTimeout: '10s' })
    remote.fault = 'hangs'
    const preparing = watched(storage.prepare(MAIN))
    const asked = watched(storage.marks.put(BOT, 'blocked', [{ key: BOB, mark: { since: 0 } }]))
    await pass(9975)
    expect([preparing, asked, told]).toEqual([{}, {}, []])
    await pass(25)
    expect(told).toHaveLength(1)
    expect(preparing.value).toBeDefined()
  })

  test('is never waited for shorter than later', async () => {
    const { storage, remote, pass, told } = rig({ timeout: '5s' })
    remote.fault = 'hangs'
    watched(storage.prepare(MAIN))
    await pass(4975)
    expect(told).toEqual([])
    await pass(25)
    expect(told).toHaveLength(1)
    expect(() => resilient(memory(), { timeout: '1s', firstTimeout: '500ms' })).toThrow(
      expect.objectContaining({
        code: 'option.invalid',
        message: expect.stringContaining('resilient.firstTimeout'),
      }),
    )
  })
})

describe('a plan that is prepared later', () => {
  async function begun() {
    const one = rig()
    const main = await one.storage.prepare(MAIN)
    await main.evaluate(askOf())
    await settled()
    one.remote.parts = (what) => what === 'prepare'
    one.remote.fault = 'hangs'
    const handler = watched(one.storage.prepare(HANDLER))
    return { ...one, main, handler }
  }

  test('is waited for: the first update to a handler is decided by the storage', async () => {
    const { storage, remote, pass, handler, told } = await begun()
    await pass(1975)
    expect(handler).toEqual({})
    remote.resume()
    await settled()
    const judge = handler.value as Judge
    expect([isAdmitted(await judge.evaluate(askOf())), isAdmitted(await judge.evaluate(askOf()))]).toEqual([
      true,
      false,
    ])
    expect((await storage.health()).circuit?.instead).toBe(0)
    expect(told).toEqual([])
  })

  test('and takes too long is reported, and decided in memory until it is accepted; the storage is not down', async () => {
    const { remote, pass, handler, main, told } = await begun()
    await pass(2000)
    const judge = handler.value as Judge
    expect(told).toEqual([{ is: 'failed', during: 'storage.prepare', error: expect.any(SentinelError) }])
    expect(told[0]).toMatchObject({
      error: { code: 'storage.unavailable', message: expect.stringContaining('main/handler') },
    })
    remote.asked.length = 0
    await judge.evaluate(askOf())
    await main.evaluate(askOf())
    expect(remote.asked).toEqual(['evaluate'])
    remote.resume()
    await settled()
    await judge.evaluate(askOf())
    expect(remote.asked.filter((what) => what === 'evaluate')).toHaveLength(2)
    await pass(60_000)
    expect(remote.asked).not.toContain('prepare')
    expect(told).toHaveLength(1)
  })

  test('is prepared again if the first call is never answered', async () => {
    const { remote, pass, handler, told } = await begun()
    await pass(2000)
    remote.fault = 'none'
    await pass(5000)
    remote.asked.length = 0
    await (handler.value as Judge).evaluate(askOf())
    expect(remote.asked).toEqual(['evaluate'])
    remote.kill()
    await pass(1000)
    expect(told.map(({ is }) => is)).toEqual(['failed'])
  })

  test('is not reported again when a later plan of its name exists', async () => {
    const { storage, remote, pass, told } = await begun()
    remote.fault = 'none'
    await storage.prepare({ ...HANDLER, checks: [bucket(1, { slot: 'other' })] })
    remote.asked.length = 0
    await pass(60_000)
    expect(told).toEqual([])
    expect(remote.asked).not.toContain('prepare')
  })

  test('is waited for no longer than the timeout if the storage does not answer other calls', async () => {
    const { storage, remote, pass, handler, main, time } = await begun()
    await pass(500)
    remote.parts = () => true
    const asked = watched(main.evaluate(askOf()))
    await settled()
    time.advance(249)
    await settled()
    expect([handler, asked]).toEqual([{}, {}])
    time.advance(1)
    await settled()
    expect([handler.value, asked.value]).toEqual([expect.anything(), expect.anything()])
    // The same holds for a later plan.
    const later = watched(storage.prepare({ ...HANDLER, name: 'main/another' }))
    await settled()
    time.advance(250)
    await settled()
    expect(later.value).toBeDefined()
  })
})

test.each([600, 1500])(
  'a block list in an adapter of grammY whose first answer takes %d ms holds from the first update on',
  async (slow) => {
    const time = new Stage()
    const documents = new Map<string, KeptDocument>()
    const adapterOf = (delay: number): GrammyAdapter => {
      let connecting: Promise<void> | undefined
      const connected = async (): Promise<void> => {
        connecting ??= new Promise((done) => {
          time.timers.after(delay, done)
          if (delay === 0) done()
        })
        await connecting
      }
      return {
        async read(key) {
          await connected()
          return documents.get(key)
        },
        async write(key, document) {
          await connected()
          documents.set(key, document)
        },
        async delete(key) {
          await connected()
          documents.delete(key)
        },
      }
    }
    const { clock, timers } = time
    const storageOf = (delay: number) =>
      makeResilient(combine({ durable: fromGrammyStorage(adapterOf(delay), { clock, timers }), clock }), {
        clock,
        timers,
      })
    const before = storageOf(0)
    await before.marks.put(BOT, 'blocked', [{ key: ALICE, mark: { since: 1 } }])
    const storage = storageOf(slow)
    const decision = watched(
      Promise.resolve(storage.prepare(planOf(blocked))).then((judge) => judge.evaluate(askOf())),
    )
    for (let waited = 0; waited < slow; waited += 50) {
      await settled()
      expect(Object.keys(decision)).toEqual([])
      time.advance(50)
    }
    await settled()
    expect(decision.error).toBeUndefined()
    expect(isAdmitted(decision.value as Decision)).toBe(false)
    for (const each of [before, storage]) await each.close()
  },
)
