import type { Ask, Check, Plan } from '../../core/check.js'
import { marksReadBy } from '../contract/plan.js'

/** A mark that is never put. */
const NEVER = 'sentinel:never'

/**
 * Returns the plan that the fallback decides while the storage is down. `open` checks become `absent` checks and `closed` ones
 * `present` checks for a mark that nobody holds, so order, exemptions and indices stay the same. Closed checks in shadow are made
 * to pass, since their refusals would only reflect the state of the storage.
 */
export function planWhenDown(plan: Plan): Plan {
  return { ...plan, checks: plan.checks.map(checkWhenDown) }
}

/** Whether a check refuses merely because the storage is down. */
export function isClosed({ whenDown, shadow }: Check): boolean {
  return whenDown === 'closed' && shadow !== true
}

function checkWhenDown(check: Check): Check {
  const { whenDown = 'local', guard, slot, subject, unless } = check
  if (whenDown === 'local') return check
  const kind = isClosed(check) ? 'present' : 'absent'
  return { kind, guard, slot, subject, anyOf: [NEVER], ...(unless === undefined ? {} : { unless }) }
}

/** Returns the marks that a plan reads, which the copy must contain. */
export function marksOf(plan: Plan): ReadonlySet<string> {
  const names = new Set(plan.checks.flatMap((check) => [...marksReadBy(check)].map(({ mark }) => mark)))
  names.delete(NEVER)
  return names
}

/**
 * Returns a function that adapts asks of a plan to its {@link planWhenDown}: tokens are by claim, and that plan has fewer claims.
 * Returns asks unchanged if no claim is missing.
 */
export function askWhenDown(plan: Plan): (ask: Ask) => Ask {
  const claims = plan.checks.filter(({ kind }) => kind === 'claim')
  const kept = claims.flatMap(({ whenDown = 'local' }, claim) => (whenDown === 'local' ? [claim] : []))
  if (kept.length === claims.length) return (ask) => ask
  // A list of tokens may end early; missing tokens become 0.
  return (ask) => ({ ...ask, tokens: kept.map((claim) => ask.tokens[claim] ?? 0) })
}
