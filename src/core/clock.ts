import type { Ms } from './duration.js'

/**
 * Tells the time in milliseconds since 1970. Injected everywhere, so that tests never sleep.
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
 * The machine's clock. Looked up at each call, so that a replaced `Date` is seen.
 *
 * @example
 * ```ts
 * import { systemClock } from 'grammy-sentinel'
 *
 * const now = systemClock() // 1_795_000_000_000, say
 * ```
 */
export const systemClock: Clock = () => Date.now()

/** Tells how much time passes, and is never set: for time-outs. Milliseconds since some moment or other. */
export const steadyClock: Clock = () => performance.now()

/**
 * What schedules delayed work. Injected, so that tests never sleep.
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
   * Runs once after so many milliseconds; the returned function calls it off. Never asked for more than `setTimeout` takes
   * (2^31 - 1, some 24.8 days): a sentinel makes longer waits of several.
   */
  after(ms: number, run: () => void): () => void
}

/** What `setTimeout` takes: told to wait longer, it runs at once. */
const LONGEST: Ms = 2 ** 31 - 1

/** The same timers for waits of any length: what is longer than `setTimeout` takes is waited for in parts. */
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

/** The platform's timers, for work that nobody waits for: where the platform can tell, they keep no process alive. */
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
