import type { Timers } from './clock.js'
import type { Ms } from './duration.js'

/**
 * Waits for foreign work, but rejects with an error after `ms` milliseconds. What becomes of the work after that is ignored.
 *
 * @param late Creates the error when the time is up.
 */
export function inTime<T>(work: Promise<T>, ms: Ms, timers: Timers, late: () => Error): Promise<T> {
  return new Promise((fulfil, reject) => {
    const callOff = timers.after(ms, () => reject(late()))
    // Wrapped, since a foreign promise may not follow the standard.
    Promise.resolve(work).then(fulfil, reject).finally(callOff)
  })
}

/** Waits for work for at most `ms` milliseconds. Resolves with whether it has ended; rejects if it fails before. */
export async function endsWithin(work: Promise<unknown>, ms: Ms, timers: Timers): Promise<boolean> {
  let callOff: (() => void) | undefined
  const late = new Promise<false>((resolve) => {
    callOff = timers.after(ms, () => resolve(false))
  })
  try {
    return await Promise.race([work.then(() => true), late])
  } finally {
    callOff?.()
  }
}
