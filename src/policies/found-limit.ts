import { unknownLimit } from '../middleware/inspection/unknown-limit.js'
import type { Changeable } from '../middleware/throttle/runtime-limits.js'
import type { LimitBook } from './limit-book.js'

/**
 * A limit by its name, with or without its guard: `user`, `throttle.user`.
 *
 * @throws SentinelError `limit.unknown`, naming those there are.
 */
export function foundLimit(book: LimitBook, name: unknown, what: string): Changeable {
  const found = book.find(name)
  if (found !== undefined) return found
  const known = book.all().map((each) => each.name)
  throw unknownLimit(what, name, known)
}
