import { SentinelError } from '../../core/errors.js'
import { hintAt } from '../../core/nearest.js'
import { shown } from '../../core/show.js'
import { EVENTS } from './event-names.js'

/* Checks values that untyped code may pass to a sentinel. */

/** Rejects an unknown event, which would never be raised, and a listener that is not a function. */
export function checkListening(event: unknown, listener: unknown): void {
  if (typeof event !== 'string' || !EVENTS.includes(event)) throw unknownEvent(event)
  if (typeof listener === 'function') return
  throw new SentinelError(
    'option.invalid',
    `guard.on: ${shown(listener)} is not a listener. Pass a function.`,
  )
}

function unknownEvent(event: unknown): SentinelError {
  return new SentinelError(
    'option.unknown',
    `guard.on: there is no event ${shown(event)}.${hintAt(event, EVENTS)} Events: ${EVENTS.join(', ')}.`,
  )
}

/** Rejects a value that is not a grammY bot. */
export function checkBot(bot: unknown, what: string): void {
  const { api, use } = Object(bot) as {
    readonly api?: { config?: { use?: unknown } }
    readonly use?: unknown
  }
  const isBot =
    typeof api?.config?.use === 'function' && (what === 'guard.outgoing' || typeof use === 'function')
  if (isBot) return
  throw new SentinelError('option.invalid', `${what}: ${shown(bot)} is not a bot. Pass a Bot of grammY.`)
}
