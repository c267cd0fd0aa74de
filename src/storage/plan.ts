import { type Check, MOST_CHECKS, type Plan } from '../core/check.js'
import { SentinelError } from '../core/errors.js'

/**
 * Refuses a plan that no storage could run. Guards never write such a plan; third parties may.
 *
 * @throws SentinelError `plan.invalid`, or `limit.duplicate` for two checks of one slot.
 */
export function checkPlan(plan: Plan): void {
  if (plan.checks.length > MOST_CHECKS) {
    throw new SentinelError(
      'plan.invalid',
      `plan: ${plan.checks.length} checks in one chain, but ${MOST_CHECKS} is the most. Split it in two with compose().`,
    )
  }
  const slots = new Set<string>()
  for (const check of plan.checks) {
    if (slots.has(check.slot)) {
      throw new SentinelError(
        'limit.duplicate',
        `plan: two checks share the slot "${check.slot}", so they would share their state. Give each a name of its own.`,
      )
    }
    slots.add(check.slot)
    const problem = problemOf(check, plan.scopes.length)
    if (problem !== undefined)
      throw new SentinelError('plan.invalid', `plan: check "${check.slot}" ${problem}.`)
  }
}

function problemOf(check: Check, scopes: number): string | undefined {
  const subjects = [check.subject]
  if (check.unless !== undefined) subjects.push(check.unless.subject)
  if (check.kind === 'bucket' || check.kind === 'window') {
    for (const variant of check.variants ?? []) subjects.push(variant.subject)
    const { amount, per, burst = amount } = check.limit
    if (!(amount >= 1 && per >= 1 && burst >= 1))
      return 'has a limit below one: write { amount, per } of 1 or more'
  }
  if (check.kind === 'claim') {
    if (!(check.holdFor >= 1)) return 'holds its claims for no time: holdFor is 1 ms or more'
    if (check.tokens === 'sequence' && check.whenHeld === 'waive') {
      return 'waives on a sequence: only claims on digests may waive'
    }
  }
  const unknown = subjects.find((subject) => !Number.isInteger(subject) || subject < 0 || subject >= scopes)
  return unknown === undefined ? undefined : `names scope ${unknown}, but there are ${scopes}`
}
