import { checkedClock } from '../core/checked-clock.js'
import { checkedTimers } from '../core/checked-timers.js'
import { type Clock, quietTimers, type Timers } from '../core/clock.js'
import { type Duration, parseDuration } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { checkNames } from '../core/option-names.js'
import { shown } from '../core/show.js'
import type { Storage } from './contract/storage.js'
import type { LeaseOptions } from './hybrid/leasing.js'
import { HybridStorage } from './hybrid/storage.js'
import { memory } from './memory/memory.js'
import { withProtection } from './protection/with-protection.js'

/**
 * Limits that a worker takes in batches; see {@link hybrid}.
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
   * Names of limits, as given to `throttle`, or their slots. Only token buckets without a penalty, variants or exemptions can be
   * leased. A plan that has none of these limits is judged without leases.
   */
  readonly limits: readonly string[]
  /** Maximum units per batch. The size follows what the worker has spent in the last three tenths of `for`. @default 32 */
  readonly batch?: number
  /**
   * The span for one batch: to measure what the worker spends, to spend the batch, and to give the rest back.
   * A batch ends after six tenths of it. The limit's burst is lowered by the amount that it refills in this span, and by at least
   * one. @default '1s'
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
  /** Maximum number of refusals remembered, 1,000 or more, at about 500 bytes each. @default 100_000 */
  readonly maxRefusals?: number
  /** How long a refusal is remembered at most before the storage is asked again. @default '1m' */
  readonly remember?: Duration
  /** Limits that are taken in batches and spent without a round trip. @default none */
  readonly lease?: LeasingOptions
  /** For tests: tells the time for asks that carry none, and measures leases. Absent: the clock of the remote storage. */
  readonly clock?: Clock
  /** Schedules the end of leases. @default setTimeout, without keeping the process alive */
  readonly timers?: Timers
}

/**
 * Puts a memory of this process in front of a remote storage, to save the round trips whose answer is already known. Everything
 * else is decided by the remote storage, for all workers alike.
 *
 * - **Refusals** by limits, bans and marks (the block list) are repeated until they end. Asks that have an effect still reach the
 *   remote storage: violations that count towards a penalty, and one ask when the next notice is due.
 * - **Changes** by other workers, such as an unblocking or a reset, are reported by the remote storage and discard the refusals
 *   they concern. While the remote storage cannot report changes, nothing is remembered for more than a second.
 * - **Leases** (optional): limits that all updates share are taken in batches and spent here. Never more is admitted than the
 *   limits allow. Unspent units are given back; those held by a killed process count as spent.
 *
 * `remaining` of a remembered refusal is the value at the time of that refusal. An update whose claim another worker holds may be
 * reported as refused by its limit rather than as a duplicate.
 *
 * @param local Keeps the copies of marks needed to spend leases without a round trip. Must be in this process and used for
 * nothing else. Closed with the hybrid storage only if it was omitted. @default memory()
 * @param remote The storage to stand in front of, such as `redis()`. Closed with the hybrid storage.
 * @throws SentinelError `option.unknown`, `option.invalid`, `duration.invalid`. Preparing a plan with a limit that cannot be leased throws
 * `option.invalid`.
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
 * As above, with a `memory()` of its own as `local`.
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
  checkNames('hybrid', options, ['maxRefusals', 'remember', 'lease', 'clock', 'timers'])
  const { maxRefusals = 100_000, clock, timers = quietTimers } = options
  if (both && first.remote === true) {
    throw refuse('hybrid.local', 'it is remote. Pass memory(), and the remote storage second')
  }
  if (remote.remote !== true) {
    throw refuse('hybrid.remote', 'it is local, so there is no round trip to save. Use it alone')
  }
  if (!Number.isInteger(maxRefusals) || maxRefusals < 1000) {
    throw refuse('hybrid.maxRefusals', `${shown(maxRefusals)} must be a whole number of 1,000 or more`)
  }
  checkedClock(clock, 'hybrid.clock')
  checkedTimers(timers, 'hybrid.timers')
  return withProtection(
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

function leaseOf(lease: LeasingOptions): LeaseOptions {
  checkNames('hybrid.lease', lease, ['limits', 'batch', 'for'])
  const { limits, batch = 32, for: span = '1s' } = lease
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
