import type { IBreaker } from 'cockatiel'
import type { Clock, Timers } from '../core/clock.js'
import type { Duration } from '../core/duration.js'
import { makeResilient } from './shield.js'
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
  /** How long an update waits for the storage. What is not on an update's way may take eight times as long. @default '250ms' */
  readonly timeout?: Duration
  /**
   * How long an update waits, once, for a storage that is still being connected to, or takes the plan that the update is decided by for the
   * first time: so that the first updates of a process are decided by what is there. Not less than `timeout`.
   * @default '2s', or `timeout` where that is more
   */
  readonly firstTimeout?: Duration
  /**
   * So many failures in a row take the storage for down; or a breaker of cockatiel's that says when, such as
   * `new SamplingBreaker({ threshold: 0.5, duration: 10_000 })`. Each storage needs one of its own. @default 5
   */
  readonly breaker?: number | IBreaker
  /**
   * What decides while the storage is down. Nothing stands in for it, and it is not closed with it: choose one that
   * cannot fail. @default memory()
   */
  readonly fallback?: Storage
  /** Between two looks whether the storage is back, at most. @default '200ms' */
  readonly probeEvery?: Duration
  /** Marks that the copy may hold, some 200 bytes each. Of more, those that are left out are taken for not there. @default 1_000_000 */
  readonly maxMarks?: number
  /** Tells the time. @default Date.now, and a clock that is never set for time-outs */
  readonly clock?: Clock
  /** Schedules time-outs and probes. @default setTimeout, keeping no process alive */
  readonly timers?: Timers
}

/**
 * Puts time-outs, a circuit breaker and a fallback around a storage that may fail. Every update is decided within the
 * time-out, the first within `firstTimeout`; while the storage is down, without a trip, by each guard's `onFailure`. `sentinel()` does this by itself with
 * every storage that is `remote`: call it to tune.
 *
 * While the storage is down
 * - limits, claims and the like are decided in memory, from nothing: whoever had used up a limit has it once more;
 * - marks (blocks, roles) that a plan asks for go by the last known copy, which is kept up to date in the background: what
 *   another process changed in the last moments may be missed, and all of it if the storage was never reached;
 * - `marks.put` and `marks.remove` reject with `storage.unavailable`, hold in this process at once, and are written when
 *   the storage is back, unless something newer is there; `users`, `values` and sessions reject;
 * - the storage is probed in the background, and used again as soon as it is back.
 *
 * @param storage One that answers synchronously decides by itself: it cannot take too long.
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
