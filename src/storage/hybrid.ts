import { checkedClock } from '../core/checked-clock.js'
import { type Clock, quietTimers, type Timers } from '../core/clock.js'
import { type Duration, parseDuration } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { shown } from '../core/show.js'
import type { LeaseOptions } from './hybrid/leasing.js'
import { HybridStorage } from './hybrid/storage.js'
import { memory } from './memory/memory.js'
import { shielded } from './shielded.js'
import type { Storage } from './storage.js'

/**
 * Which limits a worker takes by the batch; see {@link hybrid}.
 *
 * @example
 * ```ts
 * import { type LeasingOptions, throttle } from 'grammy-sentinel'
 *
 * throttle({ name: 'all', scope: 'global', limit: '1000/1s', on: ['message'] })
 * const lease: LeasingOptions = { limits: ['all'], batch: 64, for: '200ms' } // for hybrid()
 * ```
 */
export interface LeasingOptions {
  /**
   * Names of limits, as given to `throttle`, or their slots: token buckets without a penalty, variants or exemptions. A plan that
   * has none of them is judged without leases.
   */
  readonly limits: readonly string[]
  /** The most units taken at once: as many as a worker spends within the span, but no more than this. @default 32 */
  readonly batch?: number
  /**
   * How long a batch may be spent; then what is left goes back. The limit's burst is lowered by what it refills in this span,
   * and by one at least. @default '1s'
   */
  readonly for?: Duration
}

/**
 * Options of {@link hybrid}.
 *
 * @example
 * ```ts
 * import type { HybridOptions } from 'grammy-sentinel'
 *
 * const options: HybridOptions = { maxRefusals: 20_000, remember: '10s' }
 * ```
 */
export interface HybridOptions {
  /** The most refusals that are remembered, 1,000 or more; some 500 bytes each. @default 100_000 */
  readonly maxRefusals?: number
  /** Nothing is remembered for longer: then the storage is asked again. @default '1m' */
  readonly remember?: Duration
  /** Limits that are taken by the batch and spent without a round trip. @default none */
  readonly lease?: LeasingOptions
  /** Tells the time where callers do not, for tests. Absent: the clock of the storage that is elsewhere decides. */
  readonly clock?: Clock
  /** Schedules the end of leases. @default setTimeout, keeping no process alive */
  readonly timers?: Timers
}

/**
 * Puts a memory of this process in front of a storage that is elsewhere, so that what the storage would only say again costs
 * no round trip. All else is decided by the storage, for all workers alike.
 *
 * - **Refusals** by limits, bans and marks (the block list) are given again until they end. What has an effect
 *   still reaches the storage: violations that count for a penalty, and one ask when the next notice is due.
 * - **Changes** by other workers, such as an unblocking or a reset, are told by the storage and forget what they touch. Whenever
 *   it cannot tell, nothing is remembered for more than a second.
 * - **Leases**, as an option: limits that all updates share are taken by the batch and spent here. Never more is admitted than
 *   they allow. What is not spent goes back; what a killed process held counts as spent.
 *
 * `remaining` of a remembered refusal is what was left when the storage gave it. A refused update whose claim another
 * worker holds may be told as refused by its limit rather than as a duplicate.
 *
 * @param local Holds copies of marks, where leases are paid without a trip; in this process, and for this alone. Closed with
 * it only when left out. @default memory()
 * @param remote What it stands in front of, such as `redis()`. Closed with it.
 * @throws SentinelError `option.invalid`, `duration.invalid`. Preparing a plan with a limit that cannot be leased: `option.invalid`.
 *
 * @example
 * ```ts
 * import { hybrid, memory, sentinel } from 'grammy-sentinel'
 * import { redis } from 'grammy-sentinel/redis'
 *
 * const storage = hybrid(memory(), redis('redis://localhost:6379'))
 * const guard = sentinel({ storage })
 * ```
 */
export function hybrid(local: Storage, remote: Storage, options?: HybridOptions): Storage
/**
 * The same, with a memory of its own.
 *
 * @example
 * ```ts
 * import { hybrid, sentinel } from 'grammy-sentinel'
 * import { redis } from 'grammy-sentinel/redis'
 *
 * const guard = sentinel({ storage: hybrid(redis('redis://localhost:6379'), { remember: '10s' }) })
 * ```
 */
export function hybrid(remote: Storage, options?: HybridOptions): Storage
export function hybrid(
  first: Storage,
  second: Storage | HybridOptions = {},
  third: HybridOptions = {},
): Storage {
  const both = 'prepare' in second
  const remote = both ? second : first
  const options = both ? third : second
  const { maxRefusals = 100_000, clock, timers = quietTimers } = options
  if (both && first.remote === true) {
    throw refuse('hybrid.local', 'it is elsewhere. Pass memory(), and the storage that is elsewhere second')
  }
  if (remote.remote !== true) {
    throw refuse('hybrid.remote', 'it answers in this process, so there is no trip to save. Use it alone')
  }
  if (!Number.isInteger(maxRefusals) || maxRefusals < 1000) {
    throw refuse('hybrid.maxRefusals', `${shown(maxRefusals)} must be a whole number of 1,000 or more`)
  }
  checkedClock(clock, 'hybrid.clock')
  return shielded(
    new HybridStorage({
      local: both ? first : memory(clock === undefined ? {} : { clock }),
      ownsLocal: !both,
      remote,
      maxRefusals,
      longest: parseDuration(options.remember ?? '1m', 'hybrid.remember'),
      lease: options.lease === undefined ? undefined : leaseOf(options.lease),
      clock,
      timers,
    }),
  )
}

function leaseOf({ limits, batch = 32, for: span = '1s' }: LeasingOptions): LeaseOptions {
  if (!Array.isArray(limits) || limits.length === 0 || !limits.every((name) => typeof name === 'string')) {
    throw refuse('hybrid.lease.limits', `${shown(limits)} must be a list of names, such as ['global']`)
  }
  if (!Number.isInteger(batch) || batch < 4 || batch > 10_000) {
    throw refuse('hybrid.lease.batch', `${shown(batch)} must be a whole number from 4 to 10,000`)
  }
  return { limits, batch, span: parseDuration(span, 'hybrid.lease.for') }
}

function refuse(option: string, problem: string): SentinelError {
  return new SentinelError('option.invalid', `${option}: ${problem}.`)
}
