import type { IBreaker } from 'cockatiel'
import type { Clock, Timers } from '../core/clock.js'
import type { Duration } from '../core/duration.js'
import { makeResilient } from './make-resilient.js'
import type { Storage } from './storage.js'

/**
 * Options of {@link resilient}. Durations are texts such as `'250ms'`, or milliseconds.
 *
 * @example
 * ```ts
 * import { memory, type ResilientOptions, resilient } from 'grammy-sentinel'
 *
 * const patient: ResilientOptions = { timeout: '1s', breaker: 20 }
 * resilient(memory(), patient) // put the storage of yours in its place
 * ```
 */
export interface ResilientOptions {
  /** How long an update waits for the storage. Calls that no update waits for may take eight times as long. @default '250ms' */
  readonly timeout?: Duration
  /**
   * How long an update waits, once, for a storage that is still connecting or still compiling the update's plan for the first
   * time, so that the first updates of a process are decided by the stored state. At least `timeout`.
   * @default '2s', or `timeout` if that is longer
   */
  readonly firstTimeout?: Duration
  /**
   * Number of consecutive failures after which the storage counts as down, or a breaker of cockatiel, such as
   * `new SamplingBreaker({ threshold: 0.5, duration: 10_000 })`. Every storage needs a breaker of its own. @default 5
   */
  readonly breaker?: number | IBreaker
  /**
   * Decides while the storage is down. It has no fallback itself, so choose a storage that cannot fail. A fallback passed here is
   * not closed with the storage. @default memory()
   */
  readonly fallback?: Storage
  /** Longest interval between two checks whether the storage is back. @default '200ms' */
  readonly probeEvery?: Duration
  /** Maximum number of marks in the copy, about 200 bytes each. Marks beyond it are treated as absent. @default 1_000_000 */
  readonly maxMarks?: number
  /** Tells the time. @default Date.now; time-outs use a monotonic clock */
  readonly clock?: Clock
  /** Schedules time-outs and probes. @default setTimeout, without keeping the process alive */
  readonly timers?: Timers
}

/**
 * Puts time-outs, a circuit breaker and a fallback around a storage that may fail. Every update is decided within `timeout`, the
 * first within `firstTimeout`; while the storage is down, without a round trip, according to each guard's `onFailure`.
 * `sentinel()` does this for every storage that is `remote`; call it yourself to change the options.
 *
 * While the storage is down
 * - limits, claims and the like are decided in memory, starting empty: a subject that had used up a limit gets a fresh one;
 * - marks (blocks, roles) that a plan reads come from the last known copy, which is updated in the background: the latest changes
 *   by other processes may be missing, and all marks are if the storage was never reached;
 * - `marks.put` and `marks.remove` reject with `storage.unavailable`, but take effect in this process at once and are written
 *   when the storage is back, unless it holds something newer; `users`, `values` and sessions reject;
 * - the storage is probed in the background and used again as soon as it answers.
 *
 * @param storage The storage to protect. Synchronous answers are used as they are, since they cannot be late.
 * @throws SentinelError `option.invalid`, `duration.invalid`.
 *
 * @example
 * ```ts
 * import { memory, resilient, sentinel } from 'grammy-sentinel'
 *
 * const storage = resilient(memory(), { timeout: '100ms' }) // put the storage of yours in its place
 * const guard = sentinel({ storage })
 * guard.on('storage.down', ({ kind, reason }) => console.error(`${kind} is down: ${reason}`))
 * ```
 */
export function resilient(storage: Storage, options: ResilientOptions = {}): Storage {
  return makeResilient(storage, options)
}
