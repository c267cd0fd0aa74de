import type { Timers } from './clock.js'
import { SentinelError } from './errors.js'
import { shown } from './show.js'

/**
 * Returns the given timers if they are timers, so that a mistake is reported where it was made and not when something falls due.
 *
 * @throws SentinelError `option.invalid`.
 */
export function checkedTimers<T extends Timers | undefined>(timers: T, what: string): T {
  if (timers === undefined || typeof timers?.after === 'function') return timers
  throw new SentinelError(
    'option.invalid',
    `${what}: ${shown(timers)} has no function after(ms, run). Pass an object that has one, or leave it out.`,
  )
}
