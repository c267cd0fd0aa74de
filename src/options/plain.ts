/** Options whose values are instances or functions rather than nested options; they are replaced as a whole and not frozen. */
export const OPAQUE: readonly string[] = ['storage', 'clock', 'timers', 'hooks']

/** Whether a value has all the named properties. */
export function has(value: unknown, ...names: readonly string[]): boolean {
  return names.every((name) => Reflect.get(Object(value), name) !== undefined)
}

/** Whether a value is a plain object with nested options, as opposed to a list or an instance of a class. */
export function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  // Object.prototype of any realm has no prototype itself, so this also accepts objects from another realm.
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** Returns a deeply frozen copy; the values of opaque keys are not copied. */
export function frozen<T>(value: T, opaque: readonly string[] = OPAQUE): T {
  if (Array.isArray(value)) return Object.freeze(value.map((held) => frozen(held, []))) as T
  if (!isPlain(value)) return value
  const entries = Object.entries(value).map(
    ([key, held]) => [key, opaque.includes(key) ? held : frozen(held, [])] as const,
  )
  return Object.freeze(Object.fromEntries(entries)) as T
}
