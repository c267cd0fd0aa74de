import type { Context } from 'grammy'
import type { Facts } from '../../core/facts.js'
import { type Limit, type LimitInput, parseLimit } from '../../core/limit.js'
import { promised, unawaited } from '../../core/unawaited.js'
import type { Question } from '../guard.js'

/** Most texts whose parsed limits are cached. */
const MOST_TEXTS = 1000

/**
 * Wraps a developer's limit function so that each text it returns is parsed once. If it returns nothing or something that is not
 * a limit, `otherwise` applies: a mistake must not leave everybody without a limit.
 *
 * @param failed Called for values that are not limits, once per type of value.
 */
export function limitOf(
  limit: (facts: Facts, ctx: Context) => LimitInput | undefined,
  otherwise: Limit,
  failed: (error: unknown) => void,
): NonNullable<Question<Context>['limit']> {
  const what = 'throttle.limit()'
  const read = new Map<unknown, Limit>()
  const reported = new Set<string>()
  return (facts, ctx) => {
    const given: unknown = limit(facts, ctx)
    // Databases represent missing values as null.
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
      if (!reported.has(kind)) {
        reported.add(kind)
        failed(isLate ? promised(what, 'limit.invalid') : error)
      }
      return otherwise
    }
  }
}
