import type { Check, ClaimCheck, Plan } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import type { Limit } from '../../core/limit.js'
import { isLimited, variantsOf } from '../contract/plan.js'
import type { Link } from './link.js'

/** How a limit counts. Each form has its own cells. */
export type Form = 'bucket' | 'log' | 'counters' | 'fixed'

/** A check of a plan, with everything about it that never changes. */
export interface Column {
  readonly check: Check
  readonly index: number
  /** Identifies the check's state in the tables: the number of the plan's name and the slot. */
  readonly place: number
  readonly form: Form | undefined
  /** For exact windows: the number of stamps kept, which is the largest amount among the plan's limits. */
  readonly ring: number
  /** For claims: the index of the token; otherwise -1. */
  readonly claim: number
  /** The longest span of its limits. */
  readonly longest: Ms
}

/** Lays out a plan. Runs within a transaction, because new slots are given a number. */
export function columnsOf(plan: Plan, link: Link): readonly Column[] {
  let claims = 0
  return plan.checks.map((check, index) => ({
    check,
    index,
    place: placeOf(link, plan.name, check.slot),
    form: formOf(check),
    ring: Math.max(1, ...limitsOf(check).map(({ amount }) => amount)),
    claim: check.kind === 'claim' ? claims++ : -1,
    longest: Math.max(0, ...limitsOf(check).map(({ per }) => per)),
  }))
}

export function isClaim(check: Check): check is ClaimCheck {
  return check.kind === 'claim'
}

function placeOf(link: Link, plan: string, slot: string): number {
  link.run('INSERT OR IGNORE INTO sentinel_places (plan, slot) VALUES (?, ?)', plan, slot)
  const row = link.get<{ id: number }>(
    'SELECT id FROM sentinel_places WHERE plan = ? AND slot = ?',
    plan,
    slot,
  )
  return row?.id as number
}

function formOf(check: Check): Form | undefined {
  if (check.kind === 'bucket') return 'bucket'
  return check.kind === 'window' ? check.form : undefined
}

function limitsOf(check: Check): readonly Limit[] {
  if (!isLimited(check)) return []
  return [check.limit, ...variantsOf(check).flatMap(({ limit }) => (limit === 'stored' ? [] : [limit]))]
}
