import type { Check, ClaimCheck, Plan } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import type { Limit } from '../../core/limit.js'
import type { Link } from './link.js'

/** How a limit counts: each form has cells of its own. */
export type Form = 'bucket' | 'log' | 'counters' | 'fixed'

/** A check of a plan, and all of it that never changes. */
export interface Column {
  readonly check: Check
  readonly index: number
  /** What its state is filed under: the plan's name and its slot. */
  readonly place: number
  readonly form: Form | undefined
  /** Stamps that an exact window keeps: as many as the largest limit that the plan names. */
  readonly ring: number
  /** Which of the ask's tokens a claim takes. */
  readonly claim: number
  /** The longest span of its limits. */
  readonly longest: Ms
  /** Whether it looks at marks of its subject, or of another one: then these are read. */
  readonly marked: readonly number[]
}

/** Lays a plan out; within a transaction, for slots that are new get a number. */
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
    marked: markedBy(check),
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
  if (check.kind !== 'bucket' && check.kind !== 'window') return []
  const variants = check.variants ?? []
  return [check.limit, ...variants.flatMap(({ limit }) => (limit === 'stored' ? [] : [limit]))]
}

function markedBy(check: Check): readonly number[] {
  const scopes = new Set<number>()
  if (check.kind === 'absent' || check.kind === 'present') scopes.add(check.subject)
  if (check.unless !== undefined) scopes.add(check.unless.subject)
  if (check.kind === 'bucket' || check.kind === 'window') {
    for (const { subject } of check.variants ?? []) scopes.add(subject)
  }
  return [...scopes]
}
