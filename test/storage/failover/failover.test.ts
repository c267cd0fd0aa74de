import type { Judge } from '../../../src/core/check.js'
import { userKey } from '../../../src/core/subject.js'
import type { Mark, Storage } from '../../../src/storage/contract/storage.js'
import { failover } from '../../../src/storage/failover.js'
import { memory } from '../../../src/storage/memory/memory.js'
import { makeResilient } from '../../../src/storage/protection/make-resilient.js'
import { storageConformance } from '../../../src/testing/conformance.js'
import { Stage } from '../../middleware/rig.js'
import { faulty } from '../faulty.js'
import {
  ALICE,
  askOf,
  BOB,
  BOT,
  blocked,
  bucket,
  claim,
  goDown,
  isAdmitted,
  planOf,
  settled,
} from '../outage.js'
import { pair } from './pair.js'

const BLOCKED: Mark = { since: 1, reason: 'spam' }

const put = (storage: Storage, ...ids: number[]) =>
  storage.marks.put(
    BOT,
    'blocked',
    ids.map((id) => ({ key: userKey(id), mark: BLOCKED })),
  )

describe('with two working storages', () => {
  const trial = {
    make: (clock: () => number) => {
      const { timers } = new Stage()
      return failover([faulty(clock, timers), faulty(clock, timers)], { clock })
    },
    schedules: 50,
  }
  for (const { name, run } of storageConformance(trial)) test(name, run)

  test('the first decides, and both have the marks', async () => {
    const { judgeOf, storage, first, second } = pair()
    const judge = await judgeOf(blocked, bucket(1))
    expect(isAdmitted(await judge.evaluate(askOf()))).toBe(true)
    expect(isAdmitted(await judge.evaluate(askOf()))).toBe(false)
    expect(second.asked).not.toContain('evaluate')
    await put(storage, 8)
    await settled()
    for (const { kept } of [first, second]) expect(await kept.marks.get(BOT, BOB, 'blocked')).toEqual(BLOCKED)
    await storage.marks.remove(BOT, 'blocked', [BOB])
    await settled()
    for (const { kept } of [first, second]) expect(await kept.marks.get(BOT, BOB, 'blocked')).toBeUndefined()
  })
})

describe('when the first fails', () => {
  test('the same update is decided by the second, and later ones without asking the first', async () => {
    const { judgeOf, first, second, storage, told } = pair()
    const judge = await judgeOf(bucket(2))
    await goDown(first, judge)
    first.asked.length = 0
    const passed: boolean[] = []
    for (let i = 0; i < 3; i++) passed.push(isAdmitted(await judge.evaluate(askOf())))
    expect(passed).toEqual([true, true, false])
    expect(first.asked).toEqual([])
    expect(second.asked.filter((what) => what === 'evaluate')).toHaveLength(8)
    expect(told).toEqual([{ is: 'down', kind: 'unknown', reason: 'ECONNREFUSED' }])
    expect(await storage.health()).toMatchObject({
      ok: true,
      kind: 'failover',
      inUse: 1,
      storages: [
        { ok: false, circuit: { state: 'open', reason: 'ECONNREFUSED' } },
        { ok: true, circuit: { state: 'closed' } },
      ],
    })
  })

  test('a storage that hangs is waited for no longer than the timeout', async () => {
    const { judgeOf, first, time } = pair()
    const judge = await judgeOf(bucket(2))
    first.fault = 'hangs'
    let decided = false
    const deciding = Promise.resolve(judge.evaluate(askOf())).then((decision) => {
      decided = true
      return decision
    })
    await settled()
    time.advance(99)
    await settled()
    expect(decided).toBe(false)
    time.advance(1)
    expect(isAdmitted(await deciding)).toBe(true)
  })

  test('it is used again within a second of its return, with the marks that it has missed', async () => {
    const { judgeOf, first, second, storage, told, pass } = pair()
    await put(storage, 1, 2)
    const judge = await judgeOf(blocked, bucket(1))
    await judge.evaluate(askOf(ALICE))
    await goDown(first, judge)
    await put(storage, 3)
    await storage.marks.remove(BOT, 'blocked', [userKey(1)])
    expect(await storage.marks.get(BOT, userKey(3), 'blocked')).toEqual(BLOCKED)
    expect(isAdmitted(await judge.evaluate(askOf(userKey(3))))).toBe(false)
    first.fault = 'none'
    await pass(1000)
    expect(await storage.health()).toMatchObject({ ok: true, inUse: 0 })
    expect(told.map(({ is }) => is)).toEqual(['down', 'up'])
    second.asked.length = 0
    expect(isAdmitted(await judge.evaluate(askOf(userKey(1))))).toBe(true)
    expect(isAdmitted(await judge.evaluate(askOf(userKey(2))))).toBe(false)
    expect(isAdmitted(await judge.evaluate(askOf(userKey(3))))).toBe(false)
    // Its own count from before the outage.
    expect(isAdmitted(await judge.evaluate(askOf(ALICE)))).toBe(false)
    expect(second.asked).toEqual([])
  })

  test('it is not used before it has these marks, and newer marks on it stay', async () => {
    const { judgeOf, first, storage, pass, time } = pair()
    const judge = await judgeOf(blocked)
    await goDown(first, judge)
    await put(storage, 3)
    const newer = { since: time.now + 5, reason: 'newer' }
    await storage.marks.put(BOT, 'blocked', [{ key: userKey(4), mark: { since: time.now } }])
    await first.kept.marks.put(BOT, 'blocked', [{ key: userKey(4), mark: newer }])
    first.fault = 'none'
    first.parts = (what) => what === 'marks.put'
    first.fault = 'refuses'
    await pass(3000)
    expect(await storage.health()).toMatchObject({ inUse: 1 })
    first.fault = 'none'
    await pass(1000)
    expect(await storage.health()).toMatchObject({ inUse: 0 })
    expect(isAdmitted(await judge.evaluate(askOf(userKey(3))))).toBe(false)
    expect(await storage.marks.get(BOT, userKey(4), 'blocked')).toEqual(newer)
  })

  test('missed marks never replace newer ones', async () => {
    const { judgeOf, second, storage, pass } = pair()
    await judgeOf(blocked)
    second.fault = 'refuses'
    await put(storage, 3)
    await settled()
    second.fault = 'none'
    await storage.marks.remove(BOT, 'blocked', [userKey(3)])
    await pass(1000)
    expect(await second.kept.marks.get(BOT, userKey(3), 'blocked')).toBeUndefined()
    expect((await storage.health()).storages?.[1]?.circuit?.waiting.marks).toBe(0)
  })

  test('missed marks survive writes that all storages refuse, sequential or concurrent', async () => {
    const { first, second, judgeOf, storage, pass } = pair()
    const judge = await judgeOf(blocked)
    const unblock = async () => storage.marks.remove(BOT, 'blocked', [userKey(3), userKey(4)])
    for (const each of [first, second]) each.parts = (what) => what.startsWith('marks')
    first.fault = 'refuses'
    await put(storage, 3)
    await settled()
    second.fault = 'refuses'
    await expect(unblock()).rejects.toMatchObject({ code: 'storage.unavailable' })
    for (const each of await Promise.allSettled([unblock(), unblock()])) expect(each.status).toBe('rejected')
    expect((await storage.health()).storages?.map(({ circuit }) => circuit?.waiting.marks)).toEqual([1, 0])
    first.fault = 'none'
    second.fault = 'none'
    await pass(1000)
    for (const { kept } of [first, second])
      expect(await kept.marks.get(BOT, userKey(3), 'blocked')).toEqual(BLOCKED)
    expect(isAdmitted(await judge.evaluate(askOf(userKey(3))))).toBe(false)
    // A removal that succeeds replaces the missed marks.
    await unblock()
    await pass(1000)
    for (const { kept } of [first, second])
      expect(await kept.marks.get(BOT, userKey(3), 'blocked')).toBeUndefined()
  })

  test('values, sessions and users are on the second storage if both were up', async () => {
    const { judgeOf, first, storage } = pair()
    const judge = await judgeOf(blocked)
    const sessions = storage.sessions<object>()
    await sessions.write('7', { tea: 1 })
    await storage.users.note(BOT, [{ key: ALICE, at: 5, counts: { messages: 2 } }])
    await settled()
    await goDown(first, judge)
    expect(await sessions.read('7')).toEqual({ tea: 1 })
    expect(await storage.users.get(BOT, ALICE)).toMatchObject({ counts: { messages: 2 } })
    await sessions.write('7', { tea: 2 })
    expect(await sessions.read('7')).toEqual({ tea: 2 })
  })

  test('each storage settles what it admitted', async () => {
    const { judgeOf, first, second, pass } = pair()
    const judge = await judgeOf(claim(), bucket(5))
    const before = await judge.evaluate(askOf(ALICE, [1]))
    await goDown(first, judge)
    const during = await judge.evaluate(askOf(BOB, [2]))
    if (before.receipt === undefined || during.receipt === undefined) throw new Error('no receipts')
    await judge.settle(before.receipt, 'release')
    await judge.settle(during.receipt, 'refund')
    expect(second.asked.at(-1)).toBe('settle refund')
    expect((await judge.peek(askOf(BOB, [3]))).remaining[1]).toBe(4)
    first.fault = 'none'
    await pass(1000)
    expect(first.asked).toContain('settle release')
    expect(isAdmitted(await judge.evaluate(askOf(ALICE, [1])))).toBe(true)
  })

  test('a plan that changes meanwhile reaches it, too', async () => {
    const { judgeOf, first, pass } = pair()
    await goDown(first, await judgeOf(bucket(5)))
    const judge = await judgeOf(bucket(1))
    first.fault = 'none'
    await pass(1000)
    first.asked.length = 0
    expect(isAdmitted(await judge.evaluate(askOf()))).toBe(true)
    expect(isAdmitted(await judge.evaluate(askOf()))).toBe(false)
    expect(first.asked).toEqual(['evaluate', 'evaluate'])
  })

  test('watchers receive a gap at each switch, and the changes of the storage in use', async () => {
    const { judgeOf, first, storage, pass } = pair()
    const judge = await judgeOf(blocked)
    const told: string[] = []
    await storage.watch((change) => told.push(change.kind))
    await settled()
    await goDown(first, judge)
    first.fault = 'none'
    await pass(1000)
    expect(told).toEqual(['gap', 'gap'])
    await put(storage, 3)
    await settled()
    expect(told.slice(2)).toEqual(['marks'])
    await storage.close()
    expect(first.listening).toBe(0)
  })
})

describe('when all fail', () => {
  test('calls reject with the reason', async () => {
    const { judgeOf, first, second, storage } = pair()
    const judge = await judgeOf(bucket(1))
    first.fault = 'refuses'
    second.fault = 'refuses'
    const refused = { code: 'storage.unavailable' }
    for (let i = 0; i < 10; i++) {
      await expect((async () => judge.evaluate(askOf()))()).rejects.toMatchObject(refused)
    }
    await expect((async () => put(storage, 1))()).rejects.toMatchObject(refused)
    await expect((async () => storage.values.get('a', 'b'))()).rejects.toMatchObject(refused)
    await expect((async () => storage.reset(BOT, ALICE))()).rejects.toMatchObject(refused)
    expect(await storage.health()).toMatchObject({ ok: false })
  })

  test('resilient() around it decides in memory within its timeout', async () => {
    const { first, second, storage, time, pass } = pair()
    const around = makeResilient(storage, { clock: time.clock, timers: time.timers })
    const judge = await around.prepare(planOf(bucket(2)))
    first.fault = 'hangs'
    second.fault = 'hangs'
    const decided: boolean[] = []
    for (let i = 0; i < 3; i++) {
      void Promise.resolve(judge.evaluate(askOf())).then((decision) => decided.push(isAdmitted(decision)))
    }
    await pass(250)
    expect(decided).toEqual([true, true, false])
    first.resume()
    second.resume()
    await pass(2000)
    expect((await around.health()).ok).toBe(true)
  })
})

describe('when all take long to accept a plan', () => {
  test.each([
    [1200, 1500, 1200],
    [1500, 1200, 1200],
    [1200, 9000, 1200],
    [9000, 9000, 1600],
  ])(
    'of %d and %d ms, the first that has accepted it within 1.6 seconds decides',
    async (one, other, after) => {
      const { first, second, storage, time } = pair()
      for (const { kept } of [first, second])
        await kept.marks.put(BOT, 'blocked', [{ key: ALICE, mark: BLOCKED }])
      first.delay = one
      second.delay = other
      let prepared: Judge | undefined
      const preparing = Promise.resolve(storage.prepare(planOf(blocked))).then((judge) => {
        prepared = judge
      })
      for (let waited = 0; waited < after; waited += 25) {
        await settled()
        expect(prepared === undefined).toBe(true)
        time.advance(25)
      }
      await preparing
      first.delay = 0
      second.delay = 0
      const decided = (async () => (prepared as Judge).evaluate(askOf()))()
      if (after === 1600) await expect(decided).rejects.toMatchObject({ code: 'storage.unavailable' })
      else expect(isAdmitted(await decided)).toBe(false)
    },
  )

  test('and then refuse it, no update waits any longer', async () => {
    const { first, second, storage, pass } = pair()
    for (const each of [first, second]) each.fault = 'hangs'
    let prepared = false
    const preparing = Promise.resolve(storage.prepare(planOf(blocked))).then(() => {
      prepared = true
    })
    await pass(1000)
    expect(prepared).toBe(false)
    for (const each of [first, second]) {
      each.fault = 'refuses'
      each.kill()
    }
    await preparing
    expect((await storage.health()).storages?.map(({ circuit }) => circuit?.state)).toEqual(['open', 'open'])
  })
})

test('an invalid call rejects, and causes no switch', async () => {
  const { storage, told } = pair()
  for (let i = 0; i < 10; i++) {
    await expect((async () => storage.values.put('', 'b', 1))()).rejects.toMatchObject({
      code: 'value.invalid',
    })
  }
  expect(told).toEqual([])
  expect(await storage.health()).toMatchObject({ inUse: 0 })
})

test('close() closes all, and reports marks that one never received', async () => {
  const well = pair()
  await well.judgeOf(blocked)
  await Promise.all([well.storage.close(), well.storage.close()])
  for (const each of [well.first, well.second])
    expect(each.asked.filter((what) => what === 'close')).toHaveLength(1)
  await expect(well.judgeOf(blocked)).rejects.toMatchObject({ code: 'storage.closed' })

  const { judgeOf, first, storage } = pair()
  await goDown(first, await judgeOf(blocked))
  await put(storage, 1)
  await expect((async () => storage.close())()).rejects.toMatchObject({
    code: 'storage.unavailable',
    message: expect.stringContaining('storage 0 never received 1 marks'),
  })
})

test.each([
  ['one storage', [memory()]],
  ['none', []],
])('%s is refused', (_, storages) => {
  expect(() => failover(storages)).toThrow(expect.objectContaining({ code: 'option.invalid' }))
})

test('the same storage twice is refused', () => {
  const storage = memory()
  expect(() => failover([storage, storage])).toThrow(expect.objectContaining({ code: 'option.invalid' }))
})
