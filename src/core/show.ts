/** A value as an error shows it: short, and whatever it is. */
export function shown(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.slice(0, 64))
    case 'function':
      return 'a function'
    case 'object':
      // Not its own words: `toString` may be anybody's, or missing.
      return value === null ? 'null' : Array.isArray(value) ? 'an array' : 'an object'
    default:
      return String(value)
  }
}
