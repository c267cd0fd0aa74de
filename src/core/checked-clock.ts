import type { Clock } from './clock.js'
import { SentinelError } from './errors.js'
import { shown } from './show.js'

/**
 * Returns the given clock after it has told a valid time once. With an invalid clock nothing would ever fall due, and every limit
 * would let everything pass.
 *
 * @throws SentinelError `option.invalid`.
 */
export function checkedClock<C extends Clock | undefined>(clock: C, what: string): C {
  if (clock === undefined) return clock
  if (typeof clock !== 'function') throw wrong(what, `${shown(clock)} is not a function`)
  let now: unknown
  try {
    now = clock()
  } catch (cause) {
    throw wrong(what, 'it throws', cause)
  }
  if (typeof now !== 'number' || !Number.isFinite(now)) throw wrong(what, `it returned ${shown(now)}`)
  return clock
}

function wrong(what: string, problem: string, cause?: unknown): SentinelError {
  return new SentinelError(
    'option.invalid',
    `${what}: ${problem}; it must return milliseconds since 1970. Pass Date.now, or leave it out.`,
    ...(cause === undefined ? [] : [{ cause }]),
  )
}
