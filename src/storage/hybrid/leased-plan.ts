import type { Check, Plan } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'

/** What a plan's leases are about. */
interface Leased {
  readonly limits: readonly string[]
  readonly span: Ms
}

/** A limit that is leased. */
export interface LeasedColumn {
  readonly index: number
  readonly scope: number
  readonly slot: string
  /** How long a lease of it holds at most. */
  readonly span: Ms
  /** Units that refill in a millisecond. */
  readonly rate: number
}

/** Whether a limit goes by this name: its slot's, or the last part of that. */
function isNamed({ slot }: Check, name: string): boolean {
  return slot === name || slot.endsWith(`.${name}`)
}

/** The limits of a plan that are leased. */
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
 * The plan by which leases are taken; undefined if it has none of the limits. What is leased may be spent up to a span later than it was
 * charged, when the bucket has refilled that much: so the burst is lowered by it, and at no time more passes than the limit says.
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
        `hybrid.lease.for: "${name}" refills as much within ${span} ms as it holds. Choose a shorter span, or a greater burst.`,
      )
    }
    return { ...check, limit: { amount, per, burst: lowered } }
  })
  return found ? { ...plan, checks } : undefined
}

function problemOf(check: Check): string | undefined {
  if (check.kind !== 'bucket') return 'is no token bucket'
  if (check.variants !== undefined && check.variants.length > 0) return 'has other amounts for some'
  if (check.unless !== undefined) return 'lets some off'
  if (check.shadow === true) return 'is in shadow'
  if (check.onRefusal?.penalty !== undefined) return 'has a penalty'
  return undefined
}
