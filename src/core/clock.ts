import type { Ms } from './duration.js'

/**
 * Returns the time in milliseconds since 1970. Injected everywhere, so that tests never sleep.
 *
 * @example
 * ```ts
 * import type { Clock } from 'grammy-sentinel'
 *
 * let now = 0
 * const stopped: Clock = () => now
 * now += 1000 // a second has passed
 * ```
 */
export type Clock = () => Ms

/**
 * The machine's clock. Calls `Date.now` anew each time, so that a replaced `Date` (fake timers) takes effect.
 *
 * @example
 * ```ts
 * import { systemClock } from 'grammy-sentinel'
 *
 * const now = systemClock() // 1_795_000_000_000, say
 * ```
 */
export const systemClock: Clock = () => Date.now()

/** A monotonic clock for time-outs: milliseconds since an arbitrary moment, unaffected by changes of the system time. */
export const steadyClock: Clock = () => performance.now()

/**
 * Schedules delayed work. Injected, so that tests never sleep.
 *
 * @example
 * ```ts
 * import { sentinel, type Timers } from 'grammy-sentinel'
 *
 * const due: (() => void)[] = []
 * const timers: Timers = {
 *   after(_ms, run) {
 *     due.push(run)
 *     return () => {
 *       const at = due.indexOf(run)
 *       if (at >= 0) due.splice(at, 1) // it may have run
 *     }
 *   },
 * }
 * sentinel({ timers }) // a test runs what is due when it likes
 * ```
 */
export interface Timers {
  /**
   * Runs a function once after `ms` milliseconds; the returned function cancels it. `ms` is never more than `setTimeout` accepts
   * (2^31 - 1, about 24.8 days): a sentinel splits longer waits.
   */
  after(ms: number, run: () => void): () => void
}

/** The longest delay of `setTimeout`; given a longer one, it fires at once. */
const LONGEST: Ms = 2 ** 31 - 1

/** Wraps timers so that delays may have any length: longer ones than `setTimeout` accepts are split. */
export function ofAnyLength(timers: Timers): Timers {
  const long: Timers = {
    after(ms, run) {
      if (!(ms > LONGEST)) return timers.after(ms, run)
      let callOff = timers.after(LONGEST, () => {
        callOff = long.after(ms - LONGEST, run)
      })
      return () => callOff()
    },
  }
  return long
}

/** The platform's timers. */
export const systemTimers: Timers = ofAnyLength({
  after(ms, run) {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  },
})

/** The platform's timers for background work: on platforms that support `unref`, they do not keep the process alive. */
export const quietTimers: Timers = ofAnyLength({
  after(ms, run) {
    const timer: unknown = setTimeout(run, ms)
    if (isReferenced(timer)) timer.unref()
    return () => clearTimeout(timer as ReturnType<typeof setTimeout>)
  },
})

function isReferenced(timer: unknown): timer is { unref(): void } {
  return typeof timer === 'object' && timer !== null && 'unref' in timer && typeof timer.unref === 'function'
}
