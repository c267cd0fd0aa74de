import { inspect } from 'node:util'

/** `expect.any(…)` and its like, of any test runner. */
interface Asymmetric {
  asymmetricMatch(other: unknown): boolean
}

/** Whether all that is wanted is there: objects may have more, lists are of the same length. */
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

/** A value as an error shows it: on one line while it is short. */
export function shown(value: unknown): string {
  return inspect(value, { depth: 4, breakLength: 100, maxStringLength: 200, maxArrayLength: 20 })
}
