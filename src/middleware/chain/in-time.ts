import { isPromise } from '../../core/check.js'
import type { Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { inTime } from '../../core/in-time.js'

/** The longest wait for a developer's function that others wait for, or that takes one of few slots. */
const MOST: Ms = 10_000

/**
 * Waits at most ten seconds for the result of a developer's function.
 *
 * @param what The function's name in the options.
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
        `${what}: took longer than ${MOST} ms and is no longer waited for. Limit how long it waits.`,
      ),
  )
}
