/*
 * What the cases of the suite are written with: no test framework's, so that they run under any.
 */

/** Refuses what is not the same, structurally: numbers by value (NaN is NaN), maps by entries, objects by their fields. */
export function same(actual: unknown, expected: unknown, what = 'the answer'): void {
  if (!isSame(actual, expected))
    throw new Error(`${what} is ${shownWhole(actual)}, not ${shownWhole(expected)}`)
}

/** Refuses what has not all the fields of a pattern; further fields are fine. */
export function matches(actual: unknown, pattern: object, what = 'the answer'): void {
  const fields = typeof actual === 'object' && actual !== null ? (actual as Record<string, unknown>) : {}
  const picked = Object.fromEntries(Object.keys(pattern).map((name) => [name, fields[name]]))
  same(picked, pattern, what)
}

/** Refuses what differs by more than a millionth. */
export function near(actual: number | undefined, expected: number, what = 'the answer'): void {
  if (actual === undefined || !(Math.abs(actual - expected) <= 1e-6)) same(actual, expected, what)
}

/** Refuses a call that does not throw or reject with an error of a code. */
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

/** Waits until something holds: what another connection tells needs its time. */
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
  // A field that is undefined and one that is not there are the same to whoever reads it.
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
