import { inspect } from 'node:util'

/** An asymmetric matcher such as `expect.any(…)`, of any test runner. */
interface Asymmetric {
  asymmetricMatch(other: unknown): boolean
}

/** Returns whether `actual` contains everything in `wanted`: objects may have more properties, arrays must have the same length. */
export function contains(actual: unknown, wanted: unknown): boolean {
  if (isAsymmetric(wanted)) return wanted.asymmetricMatch(actual)
  if (wanted instanceof RegExp) return typeof actual === 'string' && new RegExp(wanted).test(actual)
  if (typeof wanted !== 'object' || wanted === null) return Object.is(actual, wanted)
  if (typeof actual !== 'object' || actual === null || Array.isArray(actual) !== Array.isArray(wanted))
    return false
  if (Array.isArray(wanted) && (actual as readonly unknown[]).length !== wanted.length) return false
  return Object.entries(wanted).every(
    ([name, value]) =>
      Object.hasOwn(actual, name) && contains((actual as Record<string, unknown>)[name], value),
  )
}

function isAsymmetric(value: unknown): value is Asymmetric {
  return typeof value === 'object' && value !== null && '$$typeof' in value && 'asymmetricMatch' in value
}

/** Formats a value for an error message: on one line if it is short. */
export function shown(value: unknown): string {
  return inspect(value, { depth: 4, breakLength: 100, maxStringLength: 200, maxArrayLength: 20 })
}
