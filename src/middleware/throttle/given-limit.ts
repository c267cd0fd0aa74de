import type { Context } from 'grammy'
import type { Facts } from '../../core/facts.js'
import { type Limit, type LimitInput, parseLimit } from '../../core/limit.js'
import { promised, unawaited } from '../../core/unawaited.js'
import type { Question } from '../guard.js'

/** Texts that are remembered with what they mean. */
const MOST_TEXTS = 1000

/**
 * The limits that a developer's function gives, read once each: they are few, and texts. Where it gives nothing, or what is no limit,
 * `otherwise` holds: a slip must not leave everybody without a limit.
 *
 * @param failed Told what is no limit, once for each kind of value.
 */
export function limitOf(
  limit: (facts: Facts, ctx: Context) => LimitInput | undefined,
  otherwise: Limit,
  failed: (error: unknown) => void,
): NonNullable<Question<Context>['limit']> {
  const what = 'throttle.limit()'
  const read = new Map<unknown, Limit>()
  const told = new Set<string>()
  return (facts, ctx) => {
    const given: unknown = limit(facts, ctx)
    // Databases say null of what they do not have.
    if (given === undefined || given === null) return otherwise
    const known = read.get(given)
    if (known !== undefined) return known
    try {
      const own = parseLimit(given as LimitInput, what)
      if (typeof given === 'string') {
        if (read.size >= MOST_TEXTS) read.clear()
        read.set(given, own)
      }
      return own
    } catch (error) {
      const isLate = unawaited(given)
      const kind = isLate ? 'promise' : typeof given
      if (!told.has(kind)) {
        told.add(kind)
        failed(isLate ? promised(what, 'limit.invalid') : error)
      }
      return otherwise
    }
  }
}
