import { isPromise } from '../../core/check.js'
import type { Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'

/** A function of a developer's that others wait for, or that takes a place of few, may take so long. */
const MOST: Ms = 10_000

/**
 * Waits for what a function of a developer's gave, for ten seconds at most. What comes of it after that is no news.
 *
 * @param what It, as options name it.
 * @throws SentinelError `callback.timeout`, and whatever the function rejects with.
 */
export async function inTime(given: unknown, what: string, timers: Timers): Promise<void> {
  if (!isPromise(given)) return
  await new Promise<void>((fulfil, reject) => {
    const callOff = timers.after(MOST, () =>
      reject(
        new SentinelError(
          'callback.timeout',
          `${what}: took longer than ${MOST} ms; it is not waited for. Bound what it waits for.`,
        ),
      ),
    )
    // A promise of somebody's own may settle as it likes.
    Promise.resolve(given)
      .then(() => fulfil(), reject)
      .finally(callOff)
  })
}
