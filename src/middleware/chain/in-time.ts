import { isPromise } from '../../core/check.js'
import type { Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'

/** A function of a developer's that others wait for, or that takes a place of few, may take so long. */
const MOST: Ms = 10_000

/**
 * Waits for work of others, but no longer than so long: then it rejects with the error. What comes of the work after that is no news.
 *
 * @param late The error, made when the time is up.
 */
export function inTime<T>(work: Promise<T>, ms: Ms, timers: Timers, late: () => Error): Promise<T> {
  return new Promise((fulfil, reject) => {
    const callOff = timers.after(ms, () => reject(late()))
    // A promise of somebody's own may settle as it likes.
    Promise.resolve(work).then(fulfil, reject).finally(callOff)
  })
}

/**
 * Waits for what a function of a developer's gave, for ten seconds at most.
 *
 * @param what It, as options name it.
 * @throws SentinelError `callback.timeout`, and whatever the function rejects with.
 */
export async function callbackEnded(given: unknown, what: string, timers: Timers): Promise<void> {
  if (!isPromise(given)) return
  await inTime(
    given,
    MOST,
    timers,
    () =>
      new SentinelError(
        'callback.timeout',
        `${what}: took longer than ${MOST} ms; it is not waited for. Bound what it waits for.`,
      ),
  )
}
