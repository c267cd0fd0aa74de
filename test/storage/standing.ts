import type { Judge } from '../../src/core/check.js'
import { type Key, userKey } from '../../src/core/subject.js'
import type { StorageCondition } from '../../src/storage/contract/condition.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { makeResilient } from '../../src/storage/protection/make-resilient.js'
import type { ResilientStorage } from '../../src/storage/resilient/storage.js'
import { Stopwatch } from '../servers/stopwatch.js'
import { until } from '../servers/until.js'
import { type Load, load } from './load.js'
import { ALICE, askOf, BOB, BOT, blocked, bucket, claim, isAdmitted, planOf } from './outage.js'

const TIMEOUT = 250
/** How far a decision may exceed the time-out: timers are not exact, least of all on a busy machine. */
const SLACK = 100
export const BLOCKED = userKey(3)

/** A storage under load, and its results. */
export interface Stand {
  readonly storage: ResilientStorage
  readonly judge: Judge
  readonly told: StorageCondition[]
  readonly updates: Load
  /** Users of whom the storage has counted 2 of 3 updates. */
  readonly users: Key[]
}

const standing = new Set<Stand>()

/** Cleans up after a test, even a failed one. */
export async function clearStands(): Promise<void> {
  for (const { updates, storage } of standing) {
    await updates.stop()
    // It may be closed, or its server may be gone: tests of closing check that.
    await storage.close().catch(() => undefined)
  }
  standing.clear()
}

/** Puts a storage under load, with users who have used 2 of 3, and one blocked user. */
export async function stand(inner: Storage): Promise<Stand> {
  const storage = makeResilient(inner, { timeout: TIMEOUT })
  const told: StorageCondition[] = []
  storage.observe((condition) => told.push(condition))
  const judge = await storage.prepare(planOf(blocked, claim({ slot: 'once' }), bucket(3)))
  await until('the storage has taken the plan', async () => {
    await judge.evaluate(askOf(BOB, [0]))
    const { ok, circuit } = await storage.health()
    return ok && circuit?.copy?.complete === true
  })
  await storage.marks.put(BOT, 'blocked', [{ key: BLOCKED, mark: { since: Date.now() } }])
  const users = Array.from({ length: 8 }, (_, i) => userKey(100 + i))
  for (const user of users) {
    await until('the storage has counted', async () => {
      await storage.reset(BOT, user)
      const before = await instead(storage)
      const both = await twice(judge, user)
      return both.every(Boolean) && (await instead(storage)) === before
    })
  }
  const one = { storage, judge, told, updates: load(judge), users }
  standing.add(one)
  return one
}

async function instead(storage: Storage): Promise<number> {
  return (await storage.health()).circuit?.instead ?? 0
}

/**
 * The decisions of the storage for a user who has used 2 of 3. If memory decided one of them, because the machine was slow, the next user is
 * tried.
 */
export async function asCounted({ storage, judge, users }: Stand, updates: number): Promise<boolean[]> {
  for (let user = users.pop(); user !== undefined; user = users.pop()) {
    const decided: boolean[] = []
    let bySelf = true
    while (decided.length < updates) {
      const before = await instead(storage)
      decided.push(await passes(judge, user))
      // The load is decided meanwhile, too: if any decision was made in memory, it may have been this one.
      bySelf &&= (await instead(storage)) === before
    }
    if (bySelf) return decided
  }
  throw new Error('each of them was decided in memory')
}

let token = 0
export async function passes(judge: Judge, key = ALICE): Promise<boolean> {
  return isAdmitted(await judge.evaluate(askOf(key, [++token])))
}

export async function twice(judge: Judge, key = ALICE): Promise<boolean[]> {
  return [await passes(judge, key), await passes(judge, key)]
}

export async function isDown({ told, judge }: Stand): Promise<void> {
  await until('it is known to be down', () => told.at(-1)?.is === 'down')
  expect(await passes(judge, BLOCKED)).toBe(false)
}

/** Waits until the storage is used again; returns the duration in milliseconds, without the time in which the machine stalled. */
export async function isBack({ told, storage }: Stand): Promise<number> {
  // A warning may follow, if its data is gone.
  const isUp = (): boolean => told.filter(({ is }) => is !== 'warning').at(-1)?.is === 'up'
  const watch = new Stopwatch()
  await until('it is used again', async () => isUp() && (await storage.health()).ok, 5000)
  watch.stop()
  return watch.passed
}

/** Checks that every update was decided in time, without errors. */
export async function inTime({ updates }: Stand): Promise<void> {
  await updates.stop()
  expect(updates.errors).toEqual([])
  expect(updates.decided).toBeGreaterThan(20)
  expect(updates.slowest).toBeLessThan(TIMEOUT + SLACK)
}
