import { unknownLimit } from '../middleware/inspection/unknown-limit.js'
import type { Changeable } from '../middleware/throttle/runtime-limits.js'
import type { LimitBook } from './limit-book.js'

/**
 * Finds a limit by its name, with or without the name of its guard: `user`, `throttle.user`.
 *
 * @throws SentinelError `limit.unknown`, listing the known limits.
 */
export function foundLimit(book: LimitBook, name: unknown, what: string): Changeable {
  const found = book.find(name)
  if (found !== undefined) return found
  const known = book.all().map((each) => each.name)
  throw unknownLimit(what, name, known)
}
