import { Client } from 'pg'
import type { Judge } from '../../../src/core/check.js'
import { type Key, userKey } from '../../../src/core/subject.js'
import { pagesOf } from '../../../src/storage/contract/pages.js'
import { failover } from '../../../src/storage/failover.js'
import { postgres } from '../../../src/storage/postgres/index.js'
import { makeResilient } from '../../../src/storage/protection/make-resilient.js'
import { redis } from '../../../src/storage/redis/index.js'
import { freshName, sharedPostgres, sharedRedis } from '../../servers/shared.js'
import { until } from '../../servers/until.js'
import { askOf, BOT, blocked, bucket, isAdmitted, planOf, settled } from '../outage.js'
import { pair } from './pair.js'

/* The first storage decides, but could not take a mark that the second has: what was blocked must stay blocked. */

const [SPAMMER, FREED, OTHER] = [userKey(5), userKey(7), userKey(9)]
const passes = async (judge: Judge, key: Key) => isAdmitted(await judge.evaluate(askOf(key)))
const entry = (key: Key, since = Date.now()) => ({ key, mark: { since } })

test('blocks hold at once, and unblocked users pass, while the marks of the first server are locked', async () => {
  const url = await sharedPostgres()
  const schema = freshName('missed')
  const storage = failover([
    postgres(url, { schema }),
    redis(await sharedRedis(), { prefix: freshName('missed') }),
  ])
  const locker = new Client({ connectionString: url })
  await locker.connect()
  try {
    const judge = await storage.prepare(planOf(blocked, bucket(1000)))
    await until('the first server decides', async () => {
      await passes(judge, OTHER)
      const { storages } = await storage.health()
      return storages?.[0]?.ok === true && storages[1]?.ok === true
    })
    await storage.marks.put(BOT, 'blocked', [entry(FREED)])
    expect(await passes(judge, FREED)).toBe(false)
    // The lock that CREATE INDEX takes.
    await locker.query(`BEGIN; LOCK TABLE ${schema}.marks IN SHARE MODE`)
    await storage.marks.put(BOT, 'blocked', [entry(SPAMMER)])
    expect(await passes(judge, SPAMMER)).toBe(false)
    expect(await storage.marks.get(BOT, SPAMMER, 'blocked')).toBeDefined()
    await storage.marks.remove(BOT, 'blocked', [FREED])
    expect([await passes(judge, SPAMMER), await passes(judge, FREED)]).toEqual([false, true])
    expect([
      (await storage.marks.of(BOT, SPAMMER)).size,
      (await storage.marks.of(BOT, FREED)).size,
      await storage.marks.get(BOT, FREED, 'blocked'),
    ]).toEqual([1, 0, undefined])
    // The server is well otherwise, and decides about everybody else.
    expect((await storage.health()).storages?.[0]?.circuit?.state).toBe('closed')
    await locker.query('ROLLBACK')
    await until('the first server has both', async () => {
      const { storages } = await storage.health()
      return storages?.[0]?.circuit?.waiting.marks === 0
    })
    expect([await passes(judge, SPAMMER), await passes(judge, FREED)]).toEqual([false, true])
  } finally {
    await locker.end()
    await storage.close()
    const admin = new Client({ connectionString: url })
    await admin.connect()
    await admin.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
    await admin.end()
  }
}, 60_000)

test('of the marks that a storage misses, those that are not kept for it are counted once', async () => {
  const { second, storage, told, done } = pair()
  second.parts = (what) => what === 'marks.put'
  second.fault = 'refuses'
  const entries = Array.from({ length: 9_999 }, (_, index) => entry(userKey(index + 1), 1))
  const missed = async () => (await storage.health()).storages?.[1]?.circuit
  await done(() => storage.marks.put(BOT, 'blocked', entries))
  expect(await missed()).toMatchObject({ waiting: { marks: 9_999 }, dropped: { marks: 0 } })
  await done(() => storage.marks.put(BOT, 'blocked', [entry(userKey(20_000), 1), entry(userKey(20_001), 1)]))
  await settled()
  expect(await missed()).toMatchObject({ waiting: { marks: 10_000 }, dropped: { marks: 1 } })
  expect(told).toContainEqual(
    expect.objectContaining({
      error: expect.objectContaining({ message: expect.stringContaining('some are lost') }),
    }),
  )
})

test('the second storage decides only about users whose marks the first has not taken', async () => {
  const { judgeOf, first, second, storage, pass, done } = pair()
  const judge = await judgeOf(blocked, bucket(1000))
  await storage.marks.put(BOT, 'blocked', [entry(FREED, 1)])
  await settled()
  first.parts = (what) => what === 'marks.put' || what === 'marks.remove'
  first.fault = 'hangs'
  await done(() => storage.marks.put(BOT, 'blocked', [entry(SPAMMER, 1)]))
  await done(() => storage.marks.remove(BOT, 'blocked', [FREED]))
  first.asked.length = 0
  second.asked.length = 0
  expect([await passes(judge, SPAMMER), isAdmitted(await judge.peek(askOf(SPAMMER)))]).toEqual([false, false])
  expect(second.asked).toEqual(['evaluate', 'peek'])
  // An unblocked user is decided by the first without its block list, so limits stay there.
  expect([await passes(judge, FREED), await passes(judge, OTHER)]).toEqual([true, true])
  expect(second.asked).toHaveLength(2)
  first.kill()
  first.resume()
  await pass(2000)
  expect(await first.kept.marks.get(BOT, SPAMMER, 'blocked')).toBeDefined()
  second.asked.length = 0
  expect([await passes(judge, SPAMMER), await passes(judge, FREED)]).toEqual([false, true])
  expect(second.asked).toEqual([])
})

test('a mark holds in a storage that is still writing it in the background', async () => {
  const { judgeOf, first, second, storage, pass } = pair()
  const judge = await judgeOf(blocked)
  second.parts = (what) => what === 'marks.put'
  second.fault = 'hangs'
  await storage.marks.put(BOT, 'blocked', [entry(SPAMMER, 1)])
  first.parts = (what) => what === 'evaluate'
  first.fault = 'refuses'
  // The second does not have the block yet, so it must not let the user pass. Without a third, nobody can decide.
  await expect((async () => judge.evaluate(askOf(SPAMMER)))()).rejects.toMatchObject({
    code: 'storage.unavailable',
  })
  second.resume()
  await pass(100)
  expect(await passes(judge, SPAMMER)).toBe(false)
})

describe.each(['refuses', 'hangs'] as const)('while the second storage %s', (fault) => {
  test('updates of a user whose mark the first lacks do not take the first away from others', async () => {
    const { first, second, storage, time, pass, done } = pair()
    const outer = makeResilient(storage, { clock: time.clock, timers: time.timers })
    const told: string[] = []
    outer.observe((condition) => {
      if ('kind' in condition) told.push(`${condition.is} ${condition.kind}`)
    })
    const judge = await outer.prepare(planOf(blocked, bucket(1000)))
    expect(await passes(judge, OTHER)).toBe(true)
    await pass(500)
    first.parts = (what) => what === 'marks.put'
    first.fault = 'hangs'
    await done(() => outer.marks.put(BOT, 'blocked', [entry(SPAMMER, 1)]))
    second.fault = fault
    for (let update = 0; update < 12; update++) {
      const refused = await done(() => judge.evaluate(askOf(SPAMMER)))
      expect([isAdmitted(refused), refused.alone]).toEqual([false, true])
    }
    const other = await done(() => judge.evaluate(askOf(OTHER)))
    expect([isAdmitted(other), other.alone ?? false]).toEqual([true, false])
    // Only the second storage counts as down.
    expect(told).toEqual(['down faulty'])
    expect((await done(() => outer.health())).circuit).toMatchObject({ state: 'closed', outages: 0 })
  })
})

describe('the copy of the marks for outages', () => {
  /** With a first storage that decides and cannot take marks, and a copy that is read again meanwhile. */
  async function copied() {
    const stand = pair()
    const { first, second, storage, time, pass, done } = stand
    const outer = makeResilient(storage, { clock: time.clock, timers: time.timers })
    const judge = await outer.prepare(planOf(blocked, bucket(1000)))
    await outer.marks.put(BOT, 'blocked', [entry(FREED, 1)])
    expect(await passes(judge, OTHER)).toBe(true)
    await pass(500)
    first.parts = (what) => what === 'marks.put' || what === 'marks.remove'
    first.fault = 'hangs'
    return {
      ...stand,
      outer,
      judge,
      reread: async () => {
        first.gap()
        await pass(500)
      },
      /** Neither storage decides from now on. */
      fail: async () => {
        first.parts = () => true
        second.fault = 'refuses'
        first.fault = 'refuses'
        await done(() => judge.evaluate(askOf(OTHER)))
      },
    }
  }

  test('keeps what the storage in use has not taken yet, when it is read again', async () => {
    const { outer, judge, reread, fail, done } = await copied()
    await done(() => outer.marks.put(BOT, 'blocked', [entry(SPAMMER, 1)]))
    await done(() => outer.marks.remove(BOT, 'blocked', [FREED]))
    await reread()
    await fail()
    const passing = (key: Key) => done(() => passes(judge, key))
    expect([await passing(SPAMMER), await passing(FREED)]).toEqual([false, true])
  })

  test('gets what another process blocked in the storage that has not taken the unblocking', async () => {
    const { first, outer, judge, fail, time, pass, done } = await copied()
    await done(() => outer.marks.remove(BOT, 'blocked', [FREED]))
    await pass(100)
    await first.kept.marks.put(BOT, 'blocked', [entry(FREED, time.clock())])
    await pass(100)
    first.kill()
    first.resume()
    await pass(2000)
    expect((await first.kept.marks.get(BOT, FREED, 'blocked'))?.since).toBeGreaterThan(1)
    await fail()
    expect(await done(() => passes(judge, FREED))).toBe(false)
  })
})

test('a scan returns each mark as a single read does, while the storage that is read has not taken all of them', async () => {
  const { first, second, storage, done, pass } = pair()
  const keys = Array.from({ length: 7 }, (_, index) => userKey(index + 1))
  const [removed, replaced, added, lapsing] = [keys[1], keys[5], userKey(50), keys[6]] as [Key, Key, Key, Key]
  await storage.marks.put(
    BOT,
    'blocked',
    keys.map((key) => entry(key, 1)),
  )
  await pass(100)
  first.parts = (what) => what === 'marks.put' || what === 'marks.remove'
  first.fault = 'hangs'
  const writes: readonly (() => unknown)[] = [
    () => storage.marks.remove(BOT, 'blocked', [removed]),
    () => storage.marks.put(BOT, 'blocked', [entry(replaced, 2), entry(added, 2)]),
    () => storage.marks.put(BOT, 'blocked', [{ key: lapsing, mark: { since: 1, until: 2 } }]),
    () => storage.marks.put(BOT, 'another', [entry(OTHER, 2)]),
  ]
  for (const write of writes) {
    await done(write)
    // It answers in between, so that it stays in use.
    await storage.marks.of(BOT, OTHER)
  }
  second.asked.length = 0
  for (const size of [3, 100]) {
    const found = new Map<Key, unknown>()
    for await (const page of pagesOf((from) => storage.marks.scan(BOT, 'blocked', from, size)))
      for (const { key, mark } of page.entries) found.set(key, mark.since)
    const kept = keys.filter((key) => key !== removed && key !== lapsing)
    expect(found).toEqual(
      new Map([...kept.map((key) => [key, key === replaced ? 2 : 1] as const), [added, 2]]),
    )
    for (const key of [...keys, added])
      expect((await storage.marks.get(BOT, key, 'blocked'))?.since).toBe(found.get(key))
  }
  expect((await storage.marks.scan(BOT, 'blocked')).entries).toHaveLength(6)
  expect(second.asked).toEqual([])
})
