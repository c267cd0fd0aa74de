import { redacted } from './redact.js'

/** A value as an error shows it: short, whatever it is, and without the secrets of addresses. */
export function shown(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(redacted(value.slice(0, 1000)).slice(0, 64))
    case 'function':
      return 'a function'
    case 'object':
      // Not its own words: `toString` may be anybody's, or missing.
      return value === null ? 'null' : Array.isArray(value) ? 'an array' : 'an object'
    default:
      return String(value)
  }
}
