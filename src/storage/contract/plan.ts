import { type Check, type Limited, MOST_CHECKS, type Plan, type Variant } from '../../core/check.js'
import { SentinelError } from '../../core/errors.js'
import { type Limit, MOST_AMOUNT, MOST_PER } from '../../core/limit.js'

/**
 * Rejects a plan that no storage could run. Our guards never produce one, but third-party guards may.
 *
 * @throws SentinelError `plan.invalid`, or `limit.duplicate` for two checks of one slot.
 */
export function checkPlan(plan: Plan): void {
  if (plan.checks.length > MOST_CHECKS) {
    throw new SentinelError(
      'plan.invalid',
      `plan: ${plan.checks.length} checks in one chain, but at most ${MOST_CHECKS} are allowed. Split it with compose().`,
    )
  }
  if (new Set(plan.scopes).size < plan.scopes.length) {
    throw new SentinelError('plan.invalid', 'plan: two scopes share a name. Give each its own name.')
  }
  const slots = new Set<string>()
  for (const check of plan.checks) {
    if (slots.has(check.slot)) {
      throw new SentinelError(
        'limit.duplicate',
        `plan: two checks share the slot "${check.slot}", so they would share their state. Give each its own name.`,
      )
    }
    slots.add(check.slot)
    const problem = problemOf(check, plan.scopes.length)
    if (problem !== undefined)
      throw new SentinelError('plan.invalid', `plan: check "${check.slot}" ${problem}.`)
  }
}

/** Whether a check is a limit, which may have variants. */
export function isLimited(check: Check): check is Extract<Check, Limited> {
  return check.kind === 'bucket' || check.kind === 'window'
}

/** Returns the other limits of a check, for those who hold a mark. */
export function variantsOf(check: Check): readonly Variant[] {
  return isLimited(check) ? (check.variants ?? []) : []
}

/** Yields the marks that a check reads, each with the scope of the subject that may hold it. */
export function* marksReadBy(check: Check): Generator<{ readonly scope: number; readonly mark: string }> {
  if (check.kind === 'absent' || check.kind === 'present') {
    for (const mark of check.anyOf) yield { scope: check.subject, mark }
  }
  const { unless } = check
  if (unless !== undefined) for (const mark of unless.anyOf) yield { scope: unless.subject, mark }
  for (const { subject, mark } of variantsOf(check)) yield { scope: subject, mark }
}

/** Whether a value is a limit that storages can count exactly: whole numbers, within the bounds of `parseLimit`. */
export function isSoundLimit(value: unknown): value is Limit {
  if (typeof value !== 'object' || value === null) return false
  const { amount, per, burst = amount } = value as Limit
  return isWhole(amount, MOST_AMOUNT) && isWhole(per, MOST_PER) && isWhole(burst, MOST_AMOUNT)
}

function isWhole(value: number, most: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= most
}

function problemOf(check: Check, scopes: number): string | undefined {
  const subjects = [check.subject]
  if (check.unless !== undefined) subjects.push(check.unless.subject)
  for (const variant of variantsOf(check)) subjects.push(variant.subject)
  if (isLimited(check) && !limitsOf(check).every(isSoundLimit)) {
    return `has an invalid limit: amount and burst must be whole numbers from 1 to ${MOST_AMOUNT}, per from 1 ms to 366 days`
  }
  if (check.kind === 'claim') {
    if (!(check.holdFor >= 1)) return 'holds its claims for no time: holdFor must be 1 ms or more'
    if (check.lease !== undefined && !(check.lease >= 1))
      return 'has a lease of no time: it must be 1 ms or more'
    if (check.tokens === 'sequence' && check.whenHeld === 'waive') {
      return 'waives on a sequence: only claims on digests may waive'
    }
  }
  const { penalty, noticeEvery = 1 } = check.onRefusal ?? {}
  if (!(noticeEvery >= 1)) return 'sends a notice every 0 ms: noticeEvery must be 1 ms or more'
  if (penalty !== undefined) {
    const { after, within, bans } = penalty
    if (!(after >= 1 && within >= 1))
      return 'has a penalty for nothing: after must be 1 or more, within 1 ms or more'
    if (bans.length === 0 || !bans.every((ban) => ban >= 1 && ban <= MOST_PER)) {
      return 'has a penalty with invalid bans: each must last from 1 ms to 366 days'
    }
  }
  const unknown = subjects.find((subject) => !Number.isInteger(subject) || subject < 0 || subject >= scopes)
  return unknown === undefined ? undefined : `names scope ${unknown}, but there are ${scopes}`
}

function limitsOf({ limit, variants = [] }: Limited): Limit[] {
  return [
    limit,
    ...variants.flatMap(({ limit, within }) => (limit === 'stored' ? Object.values(within ?? {}) : [limit])),
  ]
}
