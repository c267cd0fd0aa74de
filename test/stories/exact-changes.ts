import fc from 'fast-check'
import { formatLimit, type LimitInput, parseLimit } from '../../src/index.js'
import type { ExactOptions, LimitOptions } from './exact-options.js'

/* How the options of a story change while its workers run. A limit keeps its name and algorithm, and so its state. */

export interface Change {
  readonly amount: 1 | 3 | 6 | 9
  /** Whether the limits are asked in the opposite order. */
  readonly reverses: boolean
  /** Whether the last limit is removed, if there are several. It does not come back. */
  readonly removesOne: boolean
  readonly auth: boolean
  readonly exemptsMods: boolean
}

export const changes: fc.Arbitrary<Change> = fc.record({
  amount: fc.constantFrom(1, 3, 6, 9),
  reverses: fc.boolean(),
  removesOne: fc.boolean(),
  auth: fc.constantFrom(false, false, true),
  exemptsMods: fc.boolean(),
})

export function changed(options: ExactOptions, change: Change): ExactOptions {
  const limits = options.throttle.map((limit) => ({ ...limit, limit: amended(limit, change.amount) }))
  const kept = change.removesOne && limits.length > 1 ? limits.slice(0, -1) : limits
  const { auth, exemptsMods } = change
  return { ...options, throttle: change.reverses ? kept.toReversed() : kept, auth, exemptsMods }
}

/** Exact windows of `sliding` hold 64 units at most: beyond that it counts in another way, and would start empty. */
function amended({ limit, cost }: LimitOptions, wanted: number): string {
  const { amount, per } = parseLimit(limit as LimitInput)
  const next = amount > 64 ? amount + wanted : wanted
  return cost !== undefined && next < 2 ? limit : formatLimit({ amount: next, per })
}
