import type { Check, Plan } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { isLimited, variantsOf } from '../contract/plan.js'

/** The leasing options that concern plans. */
interface Leased {
  readonly limits: readonly string[]
  readonly span: Ms
}

/** A leased limit. */
export interface LeasedColumn {
  readonly index: number
  readonly scope: number
  readonly slot: string
  /** Maximum duration of a lease. */
  readonly span: Ms
  /** Units refilled per millisecond. */
  readonly rate: number
}

/** Whether a name denotes a check: it is the check's slot, or the last part of a limit's slot. The slot `block.chat` is no limit `chat`. */
function isNamed(check: Check, name: string): boolean {
  return check.slot === name || (isLimited(check) && check.slot.endsWith(`.${name}`))
}

/** Returns the leased limits of a plan. */
export function leasedColumns({ checks }: Plan, { limits, span }: Leased): LeasedColumn[] {
  return checks.flatMap((check, index) => {
    if (check.kind !== 'bucket' || !limits.some((name) => isNamed(check, name))) return []
    const { amount, per } = check.limit
    const refilled = (amount * span) / per
    const own = refilled < 1 ? span : (Math.floor(refilled) * per) / amount
    return [{ index, scope: check.subject, slot: check.slot, span: own, rate: amount / per }]
  })
}

/**
 * Returns the plan by which leases are taken, or undefined if it has none of the limits. A leased unit may be spent up to a span
 * after it was charged, by which time the bucket has refilled; so the burst is lowered by that amount, and the limit is never
 * exceeded.
 *
 * @throws SentinelError `option.invalid` for a limit that cannot be leased exactly.
 */
export function leasedPlan(plan: Plan, { limits, span }: Leased): Plan | undefined {
  let found = false
  const checks = plan.checks.map((check): Check => {
    const name = limits.find((each) => isNamed(check, each))
    if (name === undefined) return check
    const problem = problemOf(check)
    if (problem !== undefined) {
      throw new SentinelError(
        'option.invalid',
        `hybrid.lease.limits: "${name}" ${problem}, so it cannot be leased. Lease plain buckets only.`,
      )
    }
    if (check.kind !== 'bucket') return check
    found = true
    const { amount, per, burst = amount } = check.limit
    const lowered = burst - Math.max(1, Math.floor((amount * span) / per))
    if (lowered < 1) {
      throw new SentinelError(
        'option.invalid',
        `hybrid.lease.for: "${name}" refills completely within ${span} ms. Choose a shorter span, or a larger burst.`,
      )
    }
    return { ...check, limit: { amount, per, burst: lowered } }
  })
  return found ? { ...plan, checks } : undefined
}

function problemOf(check: Check): string | undefined {
  if (check.kind !== 'bucket') return 'is not a token bucket'
  if (variantsOf(check).length > 0) return 'has other amounts for some holders'
  if (check.unless !== undefined) return 'exempts some holders'
  if (check.shadow === true) return 'is in shadow'
  if (check.onRefusal?.penalty !== undefined) return 'has a penalty'
  return undefined
}
