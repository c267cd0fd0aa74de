import { SentinelError } from '../../core/errors.js'
import { shown } from '../../core/show.js'

/**
 * Returns a value as JSON, the form in which every storage keeps it. Thus callers share no objects with a storage, and all
 * storages return the same. `undefined` fields are omitted, as by `JSON.stringify`.
 *
 * @throws SentinelError `value.invalid` for a value that JSON cannot represent.
 */
export function jsonText(value: unknown, what: string): string {
  let text: string | undefined
  let cause: unknown
  try {
    text = JSON.stringify(value)
  } catch (error) {
    cause = error
  }
  // `JSON.stringify` silently turns NaN and invalid dates into null.
  if (text !== undefined && (text !== 'null' || value === null)) return text
  throw new SentinelError(
    'value.invalid',
    `${what}: ${shown(value)} cannot be written as JSON. Store plain objects, arrays, texts, finite numbers, booleans and null; no functions, bigints or circular references.`,
    { cause },
  )
}

/**
 * Whether a text is a valid name: not empty, not too long, and representable outside JavaScript (no NUL, no unpaired surrogate).
 */
export function isName(text: unknown, most: number): boolean {
  return (
    typeof text === 'string' &&
    text !== '' &&
    text.length <= most &&
    !text.includes('\0') &&
    !/\p{Surrogate}/u.test(text)
  )
}
