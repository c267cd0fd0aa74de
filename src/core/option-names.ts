import { SentinelError } from './errors.js'

/**
 * Rejects options with an unknown name: a mistyped one would be ignored silently. Storages that start no timer accept `timers`, too,
 * so that one object `{ clock, timers }` can be passed to all of them.
 *
 * @throws SentinelError `option.unknown`, listing the names that exist.
 */
export function checkNames(what: string, options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).find((name) => !known.includes(name))
  if (unknown === undefined) return
  throw new SentinelError(
    'option.unknown',
    `${what}.${unknown}: there is no such option. Options: ${known.join(', ')}.`,
  )
}
