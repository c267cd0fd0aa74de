import type { Ask, Check, Plan } from '../../core/check.js'

/** A mark that nobody is ever given. */
const NEVER = 'sentinel:never'

/**
 * The plan that memory decides while the storage is down. What is open asks for a mark that nobody holds to be absent,
 * what is closed for the same mark to be present: so the order, the exemptions and the indices of the plan stay what they
 * are. Closed checks in shadow are left out, since they would tell of the storage alone.
 */
export function planWhenDown(plan: Plan): Plan {
  return { ...plan, checks: plan.checks.map(checkWhenDown) }
}

/** Whether a check refuses for no other reason than that the storage is down. */
export function isClosed({ whenDown, shadow }: Check): boolean {
  return whenDown === 'closed' && shadow !== true
}

function checkWhenDown(check: Check): Check {
  const { whenDown = 'local', guard, slot, subject, unless } = check
  if (whenDown === 'local') return check
  const kind = isClosed(check) ? 'present' : 'absent'
  return { kind, guard, slot, subject, anyOf: [NEVER], ...(unless === undefined ? {} : { unless }) }
}

/** Marks that a plan asks for: those that a copy must have. */
export function marksOf(plan: Plan): ReadonlySet<string> {
  const names = new Set<string>()
  for (const check of plan.checks) {
    if (check.kind === 'absent' || check.kind === 'present') for (const name of check.anyOf) names.add(name)
    if (check.kind === 'bucket' || check.kind === 'window') {
      for (const { mark } of check.variants ?? []) names.add(mark)
    }
    for (const name of check.unless?.anyOf ?? []) names.add(name)
  }
  names.delete(NEVER)
  return names
}

/**
 * Asks of a plan, made to fit the plan for when the storage is down: tokens are by claim, and there are fewer of them.
 * The same ask where nothing is different.
 */
export function askWhenDown(plan: Plan): (ask: Ask) => Ask {
  const claims = plan.checks.filter(({ kind }) => kind === 'claim')
  const kept = claims.flatMap(({ whenDown = 'local' }, claim) => (whenDown === 'local' ? [claim] : []))
  if (kept.length === claims.length) return (ask) => ask
  // A list of tokens may end early: what is left out at its end is left out here, too.
  return (ask) => ({ ...ask, tokens: kept.map((claim) => ask.tokens[claim] ?? 0) })
}
