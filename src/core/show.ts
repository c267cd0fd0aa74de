import { redacted } from './redact.js'

/** Formats any value for an error message: short, and without secrets of URLs. */
export function shown(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(redacted(value.slice(0, 1000)).slice(0, 64))
    case 'function':
      return 'a function'
    case 'object':
      // `toString` is not called: it may be missing or custom.
      return value === null ? 'null' : Array.isArray(value) ? 'an array' : 'an object'
    default:
      return String(value)
  }
}
