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

/** If the wall clock gains this much on the steady clock, the machine has slept. */
const SLEPT: Ms = 1000

/**
 * Returns a clock that never measures too little time: the steady clock, moved ahead when the machine has slept, which the steady
 * clock does not count. What is remembered or leased thus ends early rather than late.
 */
export function wakefulClock(steady: Clock = steadyClock, wall: Clock = systemClock): Clock {
  let slept = 0
  let ahead = wall() - steady()
  return () => {
    const now = steady()
    const difference = wall() - now
    if (difference > ahead + SLEPT) slept += difference - ahead
    if (difference > ahead + SLEPT || difference < ahead) ahead = difference
    return now + slept
  }
}

/**
 * Returns a clock for time that only this process measures. It never goes back: when the given clock does, its time stays the
 * same at that moment and then continues. Without a clock, changes of the system time do not matter at all.
 */
export function localClock(clock?: Clock): Clock {
  if (clock === undefined) return wakefulClock()
  let last = Number.NEGATIVE_INFINITY
  let behind = 0
  return () => {
    const now = clock()
    if (now < last) behind += last - now
    last = now
    return now + behind
  }
}

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
