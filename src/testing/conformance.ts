import type { MaybePromise } from '../core/check.js'
import type { Clock } from '../core/clock.js'
import { SentinelError } from '../core/errors.js'
import { isMissing, peerMissing } from '../core/peer.js'
import type { Storage } from '../storage/contract/storage.js'
import { apartCases } from './cases/apart.js'
import { archiveCases } from './cases/archive.js'
import { claimCases } from './cases/claims.js'
import { lifeCases } from './cases/life.js'
import { limitCases } from './cases/limits.js'
import { markCases } from './cases/marks.js'
import { orderCases } from './cases/order.js'
import { userCases } from './cases/users.js'
import { valueCases } from './cases/values.js'
import { watchCases } from './cases/watch.js'
import { workerCases } from './cases/workers.js'
import { replay } from './model/replay.js'
import { schedulesOf } from './model/schedules.js'
import { type Case, Stand } from './stand.js'

/**
 * Tells {@link storageConformance} how to make the storage under test.
 *
 * @example
 * ```ts
 * import { memory } from 'grammy-sentinel'
 * import type { StorageOnTrial } from 'grammy-sentinel/testing'
 *
 * const trial: StorageOnTrial = { make: (clock) => memory({ clock }), schedules: 500 }
 * ```
 */
export interface StorageOnTrial<Place = undefined> {
  /**
   * Makes a storage that uses `clock`, which the cases move; nothing sleeps. Decisions also get that time as `at`. Marks and
   * values expire by the clock alone, so a storage needs an option for it, if only for these tests.
   */
  readonly make: (clock: Clock, place: Place) => MaybePromise<Storage>
  /**
   * Makes an empty place for one case: a key prefix, a schema, a folder. Storages made for one place act as the workers of one
   * bot, which enables the cases with two workers. Leave it out if storages share nothing, as in memory.
   */
  readonly place?: () => MaybePromise<Place>
  /** Removes a place after its case. */
  readonly clear?: (place: Place) => MaybePromise<void>
  /**
   * Number of random plans and schedules to compare with the reference model, decision by decision. Requires the package
   * `fast-check` unless it is 0.
   * @default 1000
   */
  readonly schedules?: number
}

/**
 * One requirement of the storage contract, as a test: `run` rejects if the storage violates it.
 *
 * @example
 * ```ts
 * import { memory } from 'grammy-sentinel'
 * import { type ConformanceCase, storageConformance } from 'grammy-sentinel/testing'
 *
 * const [first]: readonly ConformanceCase[] = storageConformance({ make: (clock) => memory({ clock }) })
 * await first?.run()
 * ```
 */
export interface ConformanceCase {
  readonly name: string
  /** Time-out for the test runner, in milliseconds. */
  readonly timeout: number
  run(): Promise<void>
}

const TIMEOUT_MS = 30_000
/** Time allowed for one schedule: up to 40 steps, each a slow round trip. */
const SCHEDULE_MS = 200

/**
 * Returns the contract of storages as tests for any test runner, to check a storage of your own. Each case makes its own storage
 * in its own place, and closes it.
 *
 * @param trial See {@link StorageOnTrial}.
 * @throws SentinelError `option.invalid` if `schedules` is not a whole number. Cases with random schedules reject with
 * `peer.missing` if `fast-check` is not installed.
 *
 * @example
 * ```ts
 * import { describe, test } from 'node:test'
 * import { memory } from 'grammy-sentinel'
 * import { storageConformance } from 'grammy-sentinel/testing'
 *
 * describe('my storage', () => {
 *   const trial = { make: (clock: () => number) => memory({ clock }) }
 *   for (const { name, timeout, run } of storageConformance(trial)) test(name, { timeout }, run)
 * })
 * ```
 */
export function storageConformance<Place = undefined>(trial: StorageOnTrial<Place>): ConformanceCase[] {
  const { schedules = 1000, place } = trial
  if (!Number.isInteger(schedules) || schedules < 0) {
    throw new SentinelError(
      'option.invalid',
      `storageConformance.schedules: ${String(schedules)} must be a whole number, such as 1000, or 0 for none.`,
    )
  }
  const all = [
    ...orderCases,
    ...limitCases,
    ...claimCases,
    ...markCases,
    ...userCases,
    ...valueCases,
    ...apartCases,
    ...archiveCases,
    ...watchCases,
    ...lifeCases,
    ...workerCases,
  ]
  const cases = all
    .filter(({ workers }) => workers !== true || place !== undefined)
    .map((each) => ({ name: each.name, timeout: TIMEOUT_MS, run: () => runCase(trial, each) }))
  if (schedules === 0) return cases
  const timeout = TIMEOUT_MS + schedules * SCHEDULE_MS
  const random = (workers: number): ConformanceCase => ({
    name:
      workers === 1
        ? 'with random plans and schedules it decides like the reference model'
        : 'with random plans and schedules two workers taking turns decide like one',
    timeout,
    run: () => playSchedules(trial, schedules, workers),
  })
  return place === undefined ? [...cases, random(1)] : [...cases, random(1), random(2)]
}

async function runCase<Place>(trial: StorageOnTrial<Place>, { run }: Case): Promise<void> {
  await inPlace(trial, async (open) => {
    const stand = await Stand.of(open)
    try {
      await run(stand)
    } finally {
      await stand.close()
    }
  })
}

async function playSchedules<Place>(
  trial: StorageOnTrial<Place>,
  numRuns: number,
  workers: number,
): Promise<void> {
  const fc = await fastCheck()
  // One place for all schedules, because places are costly. Each schedule uses names and bots of its own.
  await inPlace(trial, async (open) => {
    const property = fc.asyncProperty(schedulesOf(fc), async (schedule) => {
      const difference = await replay(schedule, { open, workers })
      if (difference !== undefined) throw new Error(difference)
    })
    await fc.assert(property, { numRuns, includeErrorInReport: true })
  })
}

async function inPlace<Place>(
  { make, place, clear }: StorageOnTrial<Place>,
  use: (open: (clock: Clock) => MaybePromise<Storage>) => Promise<void>,
): Promise<void> {
  // Without `place`, the type of places is undefined.
  const own = (await place?.()) as Place
  try {
    await use((clock) => make(clock, own))
  } finally {
    await clear?.(own)
  }
}

async function fastCheck(): Promise<typeof import('fast-check').default> {
  // Within `try` bundlers accept that the package is not installed.
  try {
    return (await import('fast-check')).default
  } catch (cause) {
    const what = 'storageConformance: random schedules (schedules: 0 turns them off)'
    throw isMissing(cause, ['fast-check']) ? peerMissing(what, ['fast-check'], cause) : cause
  }
}
