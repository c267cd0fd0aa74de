import { unknownLimit } from '../middleware/inspection/unknown-limit.js'
import type { Changeable } from '../middleware/throttle/runtime-limits.js'
import type { LimitBook } from './limit-book.js'

/**
 * Finds a limit by its name, with or without the name of its guard: `user`, `throttle.user`.
 *
 * @throws SentinelError `limit.unknown`, listing the known limits.
 */
export function foundLimit(book: LimitBook, name: unknown, what: string): Changeable {
  const { known } = book
  const found = typeof name === 'string' ? (known.get(name) ?? known.get(`throttle.${name}`)) : undefined
  if (found !== undefined) return found
  const names = [...known.values()].map((each) => each.name)
  throw unknownLimit(what, name, names)
}
