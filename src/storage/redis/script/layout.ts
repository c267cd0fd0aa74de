import type { Check, ClaimCheck, Limited, Plan } from '../../../core/check.js'
import type { Ms } from '../../../core/duration.js'
import { SentinelError } from '../../../core/errors.js'
import { isLimited, marksReadBy } from '../../contract/plan.js'
import { PART, type PartKind, tagOf } from './tags.js'

/** A check that counts, and where its state is kept. */
export interface LimitedColumn {
  readonly check: Extract<Check, Limited>
  readonly index: number
  readonly part: typeof PART.bucket | typeof PART.counters | typeof PART.fixed | typeof PART.log
  readonly tag: number
  /** The first of its cells in a record; 0 for exact windows, which are stored after the cells. */
  readonly cell: number
  /** How long a charge can matter, by the longest of the plan's limits. */
  readonly reach: Ms
  /** For exact windows: the largest amount among the plan's limits. */
  readonly most: number
  /** Whether its limit may differ from the plan's. */
  readonly varied: boolean
  /** Its index among the varied limits, by which a reply lists their amounts; -1 if it is not varied. */
  readonly variedIndex: number
}

/** A claim, and where its state is kept. */
export interface ClaimColumn {
  readonly check: ClaimCheck
  readonly index: number
  /** The index of the claim in the plan, and so of its token. */
  readonly ordinal: number
  readonly tag: number
  /** The first of the cells of the latest claim; 0 if all claims are stored after the cells. */
  readonly cell: number
}

/** A part of a record that has cells. */
export interface CellColumn {
  readonly part: keyof typeof CELLS
  readonly tag: number
  /** The first of its cells. */
  readonly cell: number
  /** For limits: how long a charge can matter. */
  readonly reach: Ms
}

/** The state kept for the subject of one scope. */
export interface ScopeLayout {
  readonly index: number
  readonly name: string
  /** The parts in the record's cells, in order. */
  readonly cells: readonly CellColumn[]
  /** Claims stored only after the cells, although another plan may have stored one in cells. */
  readonly beside: readonly ClaimColumn[]
  /** Names of the marks that the plan reads from the subject. */
  readonly marks: readonly string[]
  /** Those of the marks whose value is a limit. */
  readonly stored: readonly string[]
  /** Whether the scope has records at all. */
  readonly recorded: boolean
}

/** A plan, laid out for a script. */
export interface PlanLayout {
  readonly plan: Plan
  readonly scopes: readonly ScopeLayout[]
  readonly limited: readonly LimitedColumn[]
  readonly claims: readonly ClaimColumn[]
  readonly varied: number
}

/** Cells by part: the format for unpacking, the number of bytes and the number of values. */
export const CELLS = {
  [PART.bucket]: { format: 'I6I4', bytes: 10, count: 2 },
  [PART.counters]: { format: 'I6I6I6', bytes: 18, count: 3 },
  [PART.fixed]: { format: 'I6I6', bytes: 12, count: 2 },
  [PART.claim]: { format: 'dI6I4', bytes: 18, count: 3 },
} as const

/** Index of the first cell in a record's Lua table; see library.ts. */
export const FIRST_CELL = 5

/** Lays out a plan. */
export function layOut(plan: Plan): PlanLayout {
  const claims: ClaimColumn[] = []
  const limited: LimitedColumn[] = []
  const nextCell = plan.scopes.map(() => FIRST_CELL)
  let varied = 0
  for (const [index, check] of plan.checks.entries()) {
    if (check.kind === 'claim') {
      const sequence = check.tokens === 'sequence'
      // These claims are never settled, so little has to be kept about them.
      const plain = !sequence && check.lease === undefined && check.retry !== true
      const cell = plain ? (nextCell[check.subject] as number) : 0
      if (plain) nextCell[check.subject] = cell + CELLS[PART.claim].count
      const tag = tagOf(sequence ? 'sequence' : PART.claims, check.slot)
      claims.push({ check, index, ordinal: claims.length, tag, cell })
    }
    if (!isLimited(check)) continue
    const part = partOf(check)
    const cell = part === PART.log ? 0 : (nextCell[check.subject] as number)
    if (part !== PART.log) nextCell[check.subject] = cell + CELLS[part].count
    const isVaried = check.variants !== undefined && check.variants.length > 0
    const limits = [
      check.limit,
      ...(check.variants ?? []).flatMap(({ limit }) => (limit === 'stored' ? [] : [limit])),
    ]
    limited.push({
      check,
      index,
      part,
      tag: tagOf(part, check.slot),
      cell,
      reach: Math.max(...limits.map(({ per }) => per)),
      most: Math.max(...limits.map(({ amount }) => amount)),
      varied: isVaried,
      variedIndex: isVaried ? varied++ : -1,
    })
  }
  const scopes = plan.scopes.map((name, index): ScopeLayout => {
    const recorded = plan.checks.some((check) => check.subject === index && keepsRecord(check))
    return {
      index,
      name,
      cells: cellsOf(index, limited, claims),
      beside: claims.filter(
        ({ check, cell }) => check.subject === index && check.tokens === 'digest' && cell === 0,
      ),
      marks: marksOf(plan, index),
      stored: storedOf(limited, index),
      recorded,
    }
  })
  refuseCollisions(plan)
  return { plan, scopes, limited, claims, varied }
}

function cellsOf(
  scope: number,
  limited: readonly LimitedColumn[],
  claims: readonly ClaimColumn[],
): CellColumn[] {
  const columns: CellColumn[] = []
  for (const { check, part, tag, cell, reach } of limited) {
    if (check.subject === scope && part !== PART.log) columns.push({ part, tag, cell, reach })
  }
  for (const { check, cell } of claims) {
    if (check.subject !== scope || cell === 0) continue
    columns.push({ part: PART.claim, tag: tagOf(PART.claim, check.slot), cell, reach: 0 })
  }
  return columns.sort((a, b) => a.cell - b.cell)
}

function partOf(check: Extract<Check, Limited>): LimitedColumn['part'] {
  if (check.kind === 'bucket') return PART.bucket
  if (check.form === 'log') return PART.log
  return check.form === 'counters' ? PART.counters : PART.fixed
}

function keepsRecord(check: Check): boolean {
  if (check.onRefusal !== undefined || isLimited(check)) return true
  return check.kind === 'claim' && check.tokens === 'digest'
}

function marksOf({ checks }: Plan, scope: number): string[] {
  const read = checks.flatMap((check) => [...marksReadBy(check)])
  return [...new Set(read.flatMap((each) => (each.scope === scope ? [each.mark] : [])))]
}

function storedOf(limited: readonly LimitedColumn[], scope: number): string[] {
  const names = limited.flatMap(({ check }) =>
    (check.variants ?? []).flatMap(({ mark, subject, limit }) =>
      subject === scope && limit === 'stored' ? [mark] : [],
    ),
  )
  return [...new Set(names)]
}

/** Rejects slots with equal tags, which would share their state. This becomes likely only with billions of slots. */
function refuseCollisions({ checks }: Plan): void {
  const kinds: readonly (PartKind | 'slot' | 'sequence')[] = [...Object.values(PART), 'slot', 'sequence']
  const seen = new Map<number, string>()
  for (const { slot } of checks) {
    for (const kind of kinds) {
      const tag = tagOf(kind, slot)
      const other = seen.get(tag)
      if (other !== undefined) {
        throw new SentinelError(
          'plan.invalid',
          `plan: the slots "${slot}" and "${other}" have the same digest. Rename one of them.`,
        )
      }
      seen.set(tag, slot)
    }
  }
}
