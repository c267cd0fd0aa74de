import { SentinelError } from '../../core/errors.js'
import { hintAt } from '../../core/nearest.js'
import { shown } from '../../core/show.js'

/** Creates the error for a limit name that is unknown so far. */
export function unknownLimit(what: string, limit: unknown, known: readonly string[]): SentinelError {
  const name = typeof limit === 'string' ? limit.replace(/^throttle\./, '') : limit
  return new SentinelError(
    'limit.unknown',
    `${what}: there is no limit ${shown(limit)}.${hintAt(name, known)} Limits: ${known.join(', ') || '(none)'}. The limit of a handler is known once an update has reached it; policies and limits of sentinel({ throttle: [ … ] }) are known from the start.`,
  )
}
