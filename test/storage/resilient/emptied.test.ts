import type { Check } from '../../../src/core/check.js'
import { SentinelError } from '../../../src/core/errors.js'
import { type Key, userKey } from '../../../src/core/subject.js'
import type { StorageCondition } from '../../../src/storage/contract/condition.js'
import { makeResilient } from '../../../src/storage/protection/make-resilient.js'
import { redis } from '../../../src/storage/redis/index.js'
import { startRedis } from '../../servers/redis.js'
import { until } from '../../servers/until.js'
import { pair } from '../failover/pair.js'
import type { Faulty } from '../faulty.js'
import { ALICE, askOf, BOB, BOT, blocked, bucket, outage, planOf, settled } from '../outage.js'

/* The warning that a storage has lost its data. */

const CAROL = userKey(9)
const LOST = new SentinelError('storage.unavailable', 'watch: refused')

const put = async ({ kept }: Faulty, since: number, ...keys: Key[]): Promise<void> =>
  kept.marks.put(
    BOT,
    'blocked',
    keys.map((key) => ({ key, mark: { since } })),
  )
const remove = async ({ kept }: Faulty, ...keys: Key[]) => kept.marks.remove(BOT, 'blocked', keys)
const warnings = (told: readonly StorageCondition[]): unknown[] =>
  told.flatMap((each) => (each.is === 'warning' ? [each.code, each.message] : []))
const lacks = (marks: number): unknown[] => [
  'storage.emptied',
  expect.stringContaining(`came back without ${marks} marks`),
]

/** With a copy of the marks of these subjects, which are an hour old; changes in the storage are not reported. */
async function copied(...keys: Key[]) {
  const stage = outage()
  const { remote, time, judgeOf } = stage
  await put(remote, time.now - 3_600_000, ...keys)
  const judge = await judgeOf(blocked)
  await judge.evaluate(askOf(userKey(99)))
  await settled()
  remote.deaf = true
  return { ...stage, judge }
}

test.each([
  ['all', [ALICE, BOB, CAROL], lacks(3)],
  ['some', [ALICE, BOB], []],
])('after an outage without %s of its marks it is told if none is left', async (_, lost, expected) => {
  const { remote, storage, time, told, pass, goDown, judge } = await copied(ALICE, BOB, CAROL)
  await goDown(judge)
  await remove(remote, ...lost)
  // What is blocked meanwhile was not there before.
  const entry = { key: userKey(50), mark: { since: time.now } }
  await expect(storage.marks.put(BOT, 'blocked', [entry])).rejects.toThrow('It holds in this process')
  time.advance(300_000)
  remote.fault = 'none'
  await pass(2000)
  expect(await remote.kept.marks.get(BOT, entry.key, 'blocked')).toBeDefined()
  expect((await storage.health()).circuit).toMatchObject({ state: 'closed', outages: 1 })
  expect(warnings(told)).toEqual(expected)
})

describe('without any update in the meantime, it is told', () => {
  test('once the storage reports changes again', async () => {
    const { remote, storage, told, pass } = await copied(ALICE, BOB)
    await remove(remote, ALICE, BOB)
    remote.gap()
    await pass(1000)
    expect(warnings(told)).toEqual(lacks(2))
    expect((await storage.health()).circuit?.outages).toBe(0)
    remote.gap()
    await pass(1000)
    expect(warnings(told)).toHaveLength(2)
  })

  test('once it answers again, before it reports changes', async () => {
    const { remote, told, pass } = await copied(ALICE, BOB)
    remote.fault = 'refuses'
    remote.gap(LOST)
    await pass(5000)
    await remove(remote, ALICE, BOB)
    remote.fault = 'none'
    await pass(2000)
    expect(warnings(told)).toEqual(lacks(2))
    remote.gap()
    await pass(1000)
    expect(warnings(told)).toHaveLength(2)
  })

  test('although changes were never reported before', async () => {
    const { remote, time, told, judgeOf, pass } = outage()
    await put(remote, time.now - 3_600_000, ALICE, BOB)
    remote.parts = (what) => what === 'watch'
    remote.fault = 'hangs'
    const judge = await judgeOf(blocked)
    await judge.evaluate(askOf(CAROL))
    await settled()
    await remove(remote, ALICE, BOB)
    remote.kill()
    await pass(31_000)
    expect(warnings(told)).toEqual(lacks(2))
  })

  test('although some of its users were marked again', async () => {
    const { remote, time, storage, told, pass } = await copied(ALICE, BOB, CAROL)
    await remove(remote, ALICE, BOB, CAROL)
    await storage.marks.put(BOT, 'blocked', [{ key: ALICE, mark: { since: time.now } }])
    await pass(500)
    remote.gap()
    await pass(1000)
    expect(warnings(told)).toEqual(lacks(2))
  })

  test('although the first attempt to read everything fails after some lists', async () => {
    const { remote, time, storage, told, pass } = outage()
    await put(remote, time.now - 3_600_000, ALICE, BOB)
    const judge = await storage.prepare(planOf({ ...blocked, anyOf: ['blocked', 'muted'] } as Check))
    await judge.evaluate(askOf(userKey(99)))
    await settled()
    remote.deaf = true
    await remove(remote, ALICE, BOB)
    let scans = 0
    remote.parts = (what) => what === 'marks.scan' && ++scans > 1
    remote.fault = 'refuses'
    remote.gap()
    await settled()
    expect(scans).toBeGreaterThan(1)
    expect(warnings(told)).toEqual([])
    remote.fault = 'none'
    remote.gap()
    await pass(2000)
    expect(warnings(told)).toEqual(lacks(2))
  })

  test('behind failover(), when the first storage comes back empty', async () => {
    const { first, storage, time, pass, done } = pair()
    const outer = makeResilient(storage, { clock: time.clock, timers: time.timers })
    const told: StorageCondition[] = []
    outer.observe((each) => told.push(each))
    const since = time.now - 3_600_000
    await outer.marks.put(BOT, 'blocked', [
      { key: ALICE, mark: { since } },
      { key: BOB, mark: { since } },
    ])
    const judge = await outer.prepare(planOf(blocked, bucket(1000)))
    await judge.evaluate(askOf(CAROL))
    await pass(500)
    first.fault = 'refuses'
    for (let update = 0; update < 6; update++) await done(() => judge.evaluate(askOf(CAROL)))
    await pass(1000)
    expect((await outer.health()).inUse).toBe(1)
    expect(warnings(told)).toEqual([])
    await remove(first, ALICE, BOB)
    first.fault = 'none'
    await pass(2000)
    expect((await outer.health()).inUse).toBe(0)
    expect(warnings(told)).toEqual(lacks(2))
  })
})

describe('it is not told', () => {
  test('if only one mark is gone', async () => {
    const { remote, told, pass } = await copied(ALICE)
    await remove(remote, ALICE)
    remote.gap()
    await pass(1000)
    expect(warnings(told)).toEqual([])
  })

  test('if the marks are so young that they may have been put and removed meanwhile', async () => {
    const { remote, time, told, pass } = await copied()
    remote.deaf = false
    await put(remote, time.now - 30_000, ALICE, BOB)
    await settled()
    remote.deaf = true
    await remove(remote, ALICE, BOB)
    remote.gap()
    await pass(1000)
    expect(warnings(told)).toEqual([])
  })

  test('if a mark is still there as it was', async () => {
    const { remote, told, pass } = await copied(ALICE, BOB, CAROL)
    await remove(remote, ALICE, BOB)
    remote.gap()
    await pass(1000)
    expect(warnings(told)).toEqual([])
  })

  test('if the marks have lapsed by the clock of the storage, which is ahead', async () => {
    const { remote, time, told, pass } = await copied()
    remote.deaf = false
    const mark = { since: time.now - 3_600_000, until: time.now + 30_000 }
    await remote.kept.marks.put(BOT, 'blocked', [
      { key: ALICE, mark },
      { key: BOB, mark },
    ])
    await settled()
    remote.deaf = true
    await remove(remote, ALICE, BOB)
    remote.gap()
    await pass(1000)
    expect(warnings(told)).toEqual([])
  })

  test('if the marks have lapsed', async () => {
    const { remote, time, told, pass } = await copied()
    remote.deaf = false
    const mark = { since: time.now - 3_600_000, until: time.now + 500 }
    await remote.kept.marks.put(BOT, 'blocked', [
      { key: ALICE, mark },
      { key: BOB, mark },
    ])
    await pass(1000)
    remote.gap()
    await pass(1000)
    expect(warnings(told)).toEqual([])
  })

  test('if the storage cannot be watched, and so is read again and again, while it answers', async () => {
    const { remote, storage, told, pass } = await copied(ALICE, BOB)
    remote.gap(LOST)
    await pass(1000)
    await remove(remote, ALICE, BOB)
    await pass(31_000)
    expect((await storage.health()).circuit?.copy?.marks).toBe(0)
    expect(warnings(told)).toEqual([])
  })

  test('if it goes down while everything is read for another reason', async () => {
    const { remote, storage, time, told, pass } = outage()
    await put(remote, time.now - 3_600_000, ALICE, BOB)
    const muted = [ALICE, BOB].map((key) => ({ key, mark: { since: 1 } }))
    await remote.kept.marks.put(BOT, 'muted', muted)
    const judge = await storage.prepare(planOf({ ...blocked, anyOf: ['blocked', 'muted'] } as Check))
    await judge.evaluate(askOf(CAROL))
    await settled()
    remote.deaf = true
    remote.gap(LOST)
    await pass(1000)
    await remote.kept.marks.remove(BOT, 'muted', [ALICE, BOB])
    let scans = 0
    remote.parts = (what) => what === 'evaluate' || (what === 'marks.scan' && ++scans > 1)
    remote.fault = 'hangs'
    await pass(29_000)
    expect(scans).toBe(2)
    const asked = Array.from({ length: 5 }, (_, user) => judge.evaluate(askOf(userKey(user + 1))))
    await pass(300)
    await Promise.all(asked)
    expect((await storage.health()).circuit?.state).not.toBe('closed')
    remote.resume()
    await settled()
    expect((await storage.health()).circuit?.copy?.marks).toBe(2)
    expect(warnings(told)).toEqual([])
  })

  test('if the copy has no room for all marks', async () => {
    const stage = outage({ maxMarks: 3 })
    const { remote, time, told, judgeOf, pass } = stage
    const many = [1, 2, 3].map((id) => userKey(id))
    await put(remote, time.now - 3_600_000, ...many)
    const judge = await judgeOf(blocked)
    await judge.evaluate(askOf(userKey(99)))
    await settled()
    remote.deaf = true
    // Those of the copy are behind newer ones now.
    await remove(remote, ...many)
    await put(remote, time.now, ...[11, 12, 13].map((id) => userKey(id)))
    await put(remote, time.now - 3_600_000, ...many)
    remote.gap()
    await pass(1000)
    expect(warnings(told)).toEqual([])
  })
})

test('it is told of a Redis that was started again without its data, although nobody asked it meanwhile', async () => {
  const server = await startRedis()
  const storage = makeResilient(redis(server.url), {})
  const told: StorageCondition[] = []
  storage.observe((each) => told.push(each))
  let isWatched = false
  storage.watch((change) => {
    if (change.kind === 'gap') isWatched = change.lost === undefined
  })
  try {
    const since = Date.now() - 3_600_000
    await storage.marks.put(BOT, 'blocked', [
      { key: ALICE, mark: { since } },
      { key: BOB, mark: { since } },
    ])
    const judge = await storage.prepare(planOf(blocked))
    await judge.evaluate(askOf(CAROL))
    await until('the copy is complete and kept so', async () => {
      const { copy } = (await storage.health()).circuit ?? {}
      return isWatched && copy?.complete === true && copy.marks === 2
    })
    await server.kill()
    await server.restart()
    await until('it is told', () => warnings(told).length > 0)
    expect(warnings(told)).toEqual(lacks(2))
  } finally {
    await storage.close()
    await server.stop()
  }
}, 60_000)
