/*
 * Assertions for the cases. They use no test framework, so that the cases run under any.
 */

/** Asserts deep equality: numbers by value (NaN equals NaN), maps by entries, objects by fields. */
export function same(actual: unknown, expected: unknown, what = 'the answer'): void {
  if (!isSame(actual, expected))
    throw new Error(`${what} is ${shownWhole(actual)}, not ${shownWhole(expected)}`)
}

/** Asserts that a value has all fields of a pattern; it may have more. */
export function matches(actual: unknown, pattern: object): void {
  const fields = typeof actual === 'object' && actual !== null ? (actual as Record<string, unknown>) : {}
  const picked = Object.fromEntries(Object.keys(pattern).map((name) => [name, fields[name]]))
  same(picked, pattern)
}

/** Asserts that two numbers differ by at most a millionth. */
export function near(actual: number | undefined, expected: number): void {
  if (actual === undefined || !(Math.abs(actual - expected) <= 1e-6)) same(actual, expected)
}

/** Asserts that a call throws or rejects with this error code. */
export async function refuses(code: string, call: () => unknown): Promise<void> {
  let outcome: unknown
  try {
    outcome = await call()
  } catch (error) {
    same((error as { code?: unknown }).code, code, `the code of "${String(error)}"`)
    return
  }
  throw new Error(`expected an error ${code}, but the answer is ${shownWhole(outcome)}`)
}

const POLL_MS = 5
const PATIENCE_MS = 5000

/** Waits until a condition holds, because notifications over another connection take time. */
export async function eventually(holds: () => boolean, what: string): Promise<void> {
  const end = performance.now() + PATIENCE_MS
  while (!holds()) {
    if (performance.now() > end) throw new Error(`${what}: not within ${PATIENCE_MS / 1000} s`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

function isSame(a: unknown, b: unknown): boolean {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    return (
      Array.isArray(a) &&
      Array.isArray(b) &&
      a.length === b.length &&
      a.every((each, i) => isSame(each, b[i]))
    )
  }
  if (a instanceof Map || b instanceof Map) {
    if (!(a instanceof Map && b instanceof Map) || a.size !== b.size) return false
    return [...a].every(([key, value]) => b.has(key) && isSame(value, b.get(key)))
  }
  // A field with the value undefined equals a missing field.
  const names = new Set([...Object.keys(a), ...Object.keys(b)])
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>]
  return [...names].every((name) => isSame(left[name], right[name]))
}

function shownWhole(value: unknown): string {
  const text = JSON.stringify(value, (_, each: unknown) => {
    if (typeof each === 'number' && !Number.isFinite(each)) return String(each)
    if (typeof each === 'bigint') return `${each}n`
    return each instanceof Map ? Object.fromEntries(each) : each
  })
  return text ?? String(value)
}
