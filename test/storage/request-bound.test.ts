import type { Judge } from '../../src/core/check.js'
import { ofAnyLength, type Timers } from '../../src/core/clock.js'
import { SentinelError } from '../../src/core/errors.js'
import { failover } from '../../src/storage/failover.js'
import { Turns } from '../../src/storage/grammy/documents.js'
import { makeResilient } from '../../src/storage/protection/make-resilient.js'
import { Stage } from '../middleware/rig.js'
import { onWorkers } from '../on-workers.js'
import { faulty } from './faulty.js'
import { ALICE, askOf, BOB, BOT, bucket, isAdmitted, planOf, settled } from './outage.js'

/* On platforms where timers end with the request that set them, such as Cloudflare Workers. */

onWorkers()

/** Timers, and the end of a request, which drops them all. */
function requests() {
  const time = new Stage()
  const armed = new Set<() => void>()
  const timers: Timers = {
    after(ms, run) {
      const callOff = time.timers.after(ms, () => {
        armed.delete(callOff)
        run()
      })
      armed.add(callOff)
      return callOff
    },
  }
  return {
    time,
    timers: ofAnyLength(timers),
    async endRequest() {
      await settled()
      for (const callOff of armed) callOff()
      armed.clear()
    },
    async pass(ms: number) {
      time.advance(ms)
      await settled()
    },
  }
}

/** A storage that can be made to fail, on such a platform. */
function worker() {
  const here = requests()
  const { time, timers } = here
  const remote = faulty(time.clock, time.timers)
  const storage = makeResilient(remote, { clock: time.clock, timers })
  return {
    ...here,
    remote,
    storage,
    async circuit() {
      return (await storage.health()).circuit?.state
    },
    async goDown(judge: Judge) {
      remote.fault = 'refuses'
      for (let i = 0; i < 5; i++) await judge.evaluate(askOf())
    },
  }
}

test('a storage that is back is used by the next call, even if its probes have ended', async () => {
  const { storage, remote, pass, endRequest, goDown } = worker()
  const judge = await storage.prepare(planOf(bucket(9)))
  await goDown(judge)
  await endRequest()
  remote.fault = 'none'
  remote.asked.length = 0
  await pass(5000)
  expect(remote.asked).toEqual([])
  expect((await judge.evaluate(askOf(BOB))).remaining).toEqual([8])
  expect(remote.asked).toEqual(['health', 'values.put', 'evaluate'])
  const { circuit } = await storage.health()
  expect(circuit).toMatchObject({ state: 'closed', outages: 1 })
})

test('a storage that is still down is probed by one call, and not by each', async () => {
  const { storage, remote, pass, endRequest, goDown, circuit } = worker()
  const judge = await storage.prepare(planOf(bucket(99)))
  await goDown(judge)
  await endRequest()
  await pass(5000)
  remote.asked.length = 0
  for (let i = 0; i < 20; i++) expect(isAdmitted(await judge.evaluate(askOf()))).toBe(true)
  expect(remote.asked).toEqual(['health'])
  expect(await circuit()).toBe('open')
})

test('activity that was refused while the storage was probed is not written afterwards', async () => {
  const { storage, remote, pass, endRequest, goDown } = worker()
  await goDown(await storage.prepare(planOf(bucket(9))))
  await endRequest()
  await pass(5000)
  remote.fault = 'hangs'
  const note = expect(
    storage.users.note(BOT, [{ key: ALICE, at: 1, counts: { message: 1 } }]),
  ).rejects.toMatchObject({ code: 'storage.unavailable' })
  await pass(60_000)
  await note
  remote.resume()
  await settled()
  expect(remote.asked).not.toContain('users.note')
})

test('health() probes, too', async () => {
  const { storage, remote, pass, endRequest, goDown } = worker()
  await goDown(await storage.prepare(planOf(bucket(9))))
  await endRequest()
  remote.fault = 'none'
  await pass(5000)
  expect(await storage.health()).toMatchObject({ ok: true, circuit: { state: 'closed' } })
})

test('a plan prepared while it was down is prepared by the next ask', async () => {
  const { storage, remote, pass, endRequest, goDown } = worker()
  await goDown(await storage.prepare(planOf(bucket(9))))
  const judge = await storage.prepare({ ...planOf(bucket(5)), name: 'other' })
  await endRequest()
  remote.fault = 'none'
  await pass(5000)
  remote.asked.length = 0
  expect((await judge.evaluate(askOf())).remaining).toEqual([4])
  expect(remote.asked).toContain('evaluate')
})

describe('a plan that the storage lacks the rights for', () => {
  const OTHER = { ...planOf(bucket(5)), name: 'other' }

  async function barred() {
    const at = worker()
    const { prepare } = at.remote
    let may = false
    at.remote.prepare = async (plan) => {
      if (plan.name === OTHER.name && !may) throw new SentinelError('storage.permission', 'not this one')
      return prepare(plan)
    }
    const main = await at.storage.prepare(planOf(bucket(99)))
    const other = await at.storage.prepare(OTHER)
    return { ...at, main, other, allow: () => (may = true) }
  }

  test('does not keep a storage down that is back, even if it is prepared first', async () => {
    const { remote, pass, endRequest, goDown, circuit, main, other } = await barred()
    await goDown(main)
    await endRequest()
    remote.fault = 'none'
    await pass(5000)
    expect((await other.evaluate(askOf(BOB))).remaining).toEqual([4])
    expect(await circuit()).toBe('closed')
    expect((await other.evaluate(askOf(BOB))).remaining).toEqual([3])
    expect((await main.evaluate(askOf(BOB))).remaining).toEqual([98])
  })
})

test('a late plan is prepared again by the next ask, when it is due', async () => {
  const { storage, remote, pass, endRequest } = worker()
  await storage.prepare(planOf(bucket(9)))
  remote.parts = (what) => what === 'prepare'
  remote.fault = 'hangs'
  const preparing = storage.prepare({ ...planOf(bucket(5)), name: 'other' })
  await pass(2000)
  const judge = await preparing
  await endRequest()
  remote.fault = 'none'
  remote.asked.length = 0
  await pass(4999)
  await judge.evaluate(askOf(BOB))
  expect(remote.asked).toEqual([])
  await pass(2)
  await judge.evaluate(askOf(BOB))
  await endRequest()
  expect(remote.asked).toEqual(['prepare'])
  expect((await judge.evaluate(askOf(BOB))).remaining).toEqual([4])
  expect(remote.asked).toEqual(['prepare', 'evaluate'])
  // And not more than once.
  await pass(600_000)
  await judge.evaluate(askOf(BOB))
  expect(remote.asked).toEqual(['prepare', 'evaluate', 'evaluate'])
})

test('a trial that ended with its request does not keep others from trying', async () => {
  const { storage, remote, pass, endRequest, goDown, circuit } = worker()
  const judge = await storage.prepare(planOf(bucket(9)))
  await goDown(judge)
  await endRequest()
  await pass(5000)
  remote.fault = 'hangs'
  void judge.evaluate(askOf())
  await endRequest()
  remote.fault = 'none'
  await pass(1000)
  expect(await circuit()).toBe('half-open')
  await pass(10_000)
  await judge.evaluate(askOf())
  expect(await circuit()).toBe('closed')
})

test('each call has its own timeout, as that of another request may have ended', async () => {
  const { storage, remote, pass, endRequest } = worker()
  const judge = await storage.prepare(planOf(bucket(9)))
  remote.fault = 'hangs'
  void judge.evaluate(askOf(BOB))
  await endRequest()
  await pass(100)
  let admitted: boolean | undefined
  void Promise.resolve(judge.evaluate(askOf(ALICE))).then((decision) => {
    admitted = isAdmitted(decision)
  })
  await pass(249)
  expect(admitted).toBeUndefined()
  await pass(1)
  expect(admitted).toBe(true)
})

test('calls whose requests have ended leave no state behind', async () => {
  const { storage, remote, pass, endRequest } = worker()
  const judge = await storage.prepare(planOf(bucket(9)))
  const { quick } = (storage as unknown as { line: { quick: { size: number } } }).line
  remote.fault = 'hangs'
  for (let i = 0; i < 4; i++) {
    void judge.evaluate(askOf(BOB))
    await endRequest()
    await pass(1000)
  }
  expect(quick.size).toBe(4)
  await pass(61_000)
  remote.fault = 'none'
  await judge.evaluate(askOf(ALICE))
  expect(quick.size).toBe(0)
})

test('a mark whose retry was lost with its request is written at once on the next request', async () => {
  const { storage, remote, pass, endRequest } = worker()
  const judge = await storage.prepare(planOf(bucket(9)))
  await judge.evaluate(askOf())
  remote.fault = 'refuses'
  const mark = { since: 1 }
  await expect(storage.marks.put(BOT, 'blocked', [{ key: BOB, mark }])).rejects.toThrow('marks.put')
  await endRequest()
  remote.fault = 'none'
  await pass(5000)
  expect(await remote.kept.marks.get(BOT, BOB, 'blocked')).toBeUndefined()
  await judge.evaluate(askOf())
  // No time passes: the request may end before a timer fires.
  await settled()
  expect(await remote.kept.marks.get(BOT, BOB, 'blocked')).toMatchObject(mark)
})

test('a mark that one of several storages has missed is copied with the next update', async () => {
  const { time, timers, pass, endRequest } = requests()
  const [first, second] = [faulty(time.clock, time.timers), faulty(time.clock, time.timers)] as const
  const storage = failover([first, second], { clock: time.clock, timers })
  const judge = await storage.prepare(planOf(bucket(9)))
  second.parts = (what) => what.startsWith('marks')
  second.fault = 'refuses'
  const mark = { since: time.clock() }
  await storage.marks.put(BOT, 'blocked', [{ key: BOB, mark }])
  await endRequest()
  await pass(5000)
  // It fails once more, and the request ends before the repetition.
  await judge.evaluate(askOf())
  await endRequest()
  second.fault = 'none'
  await pass(5000)
  expect(await second.kept.marks.get(BOT, BOB, 'blocked')).toBeUndefined()
  await judge.evaluate(askOf())
  await settled()
  expect(await second.kept.marks.get(BOT, BOB, 'blocked')).toMatchObject(mark)
  await endRequest()
  await storage.close()
})

test('a queued call does not wait for one whose request has ended', async () => {
  let now = 1000
  const turns = new Turns(() => now)
  const done: string[] = []
  void turns.take('index', () => new Promise(() => undefined))
  await settled()
  now = 5000
  void turns.take('index', async () => done.push('behind it'))
  await settled()
  expect(done).toEqual([])
  now = 11_001
  await turns.take('index', async () => done.push('later'))
  await turns.take('index', async () => done.push('after that'))
  expect(done).toEqual(['later', 'after that'])
})
