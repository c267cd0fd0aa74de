import { SentinelError } from '../core/errors.js'
import { shown } from '../core/show.js'

/**
 * A value as JSON, the form in which every storage keeps it: so nobody shares an object with a storage, and what is
 * read is the same from each. Fields that are undefined are left out, as `JSON.stringify` does.
 *
 * @throws SentinelError `value.invalid` for what JSON has no form for.
 */
export function jsonText(value: unknown, what: string): string {
  let text: string | undefined
  let cause: unknown
  try {
    text = JSON.stringify(value)
  } catch (error) {
    cause = error
  }
  // NaN and invalid dates become null in JSON, which means something else.
  if (text !== undefined && (text !== 'null' || value === null)) return text
  throw new SentinelError(
    'value.invalid',
    `${what}: ${shown(value)} cannot be written as JSON. Keep plain objects, arrays, texts, numbers that are finite, booleans and null; no functions, bigints or circles.`,
    { cause },
  )
}

/** Whether a text may name something: not empty, not too long, and the same outside JavaScript (no NUL, no half of a character). */
export function isName(text: unknown, most: number): boolean {
  return (
    typeof text === 'string' &&
    text !== '' &&
    text.length <= most &&
    !text.includes('\0') &&
    !/\p{Surrogate}/u.test(text)
  )
}
