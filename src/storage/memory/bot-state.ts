import type { Ask } from '../../core/check.js'
import type { Clock } from '../../core/clock.js'
import type { Digest } from '../../core/digest.js'
import type { Ms } from '../../core/duration.js'
import { type Limit, limitWithin } from '../../core/limit.js'
import type { Key } from '../../core/subject.js'
import { isSoundLimit, variantsOf } from '../contract/plan.js'
import { type ClaimBook, DigestClaims, SequenceClaims } from './claims.js'
import type { JudgedState, Judging } from './judging.js'
import {
  type ABSENT,
  type Column,
  carryColumn,
  clearColumn,
  PRESENT,
  reachOf,
  type ScopeLayout,
  sameState,
} from './layout.js'
import { type Holders, liveMark, type MemoryMarks } from './marks.js'
import type { Moment } from './moment.js'
import { withoutSlot } from './punish.js'
import { QuickWay } from './quick-way.js'
import { type RecordCounts, RecordTable } from './records.js'

/** What all judges of one storage share. */
export interface MemoryShared {
  readonly clock: Clock
  readonly cap: number
  readonly marks: MemoryMarks
  readonly digest: Digest
  readonly counts: RecordCounts
}

/** The state of one bot under one plan. */
export class BotState implements JudgedState {
  /** By scope. */
  readonly tables: readonly RecordTable[]
  /** By check; only for claims. */
  readonly claims: readonly (ClaimBook | undefined)[]
  /** By check: the holders of the marks it reads. `unless` and `variants` hold the same for exemptions and variants. */
  private readonly marks: readonly (readonly Holders[])[]
  /** By check: the map of holders, if the check reads a single mark. */
  readonly soleHolders: readonly (Holders['held'] | undefined)[]
  private readonly unless: readonly (readonly Holders[])[]
  private readonly variants: readonly (readonly Holders[])[]
  readonly quickWay: QuickWay

  constructor(
    readonly bot: number,
    judge: Judging,
    shared: MemoryShared,
    earlier: { readonly judge: Judging; readonly state: JudgedState } | undefined,
  ) {
    const seed = shared.digest.number(`table ${bot}`) | 0
    const holdersOf = (names: readonly string[]): Holders[] =>
      names.map((name) => shared.marks.holders(bot, name))
    this.tables = judge.layouts.map((layout, scope) => {
      const from = earlier?.judge.plan.scopes.indexOf(judge.plan.scopes[scope] as string) ?? -1
      return new RecordTable(layout, shared.cap, seed, shared.counts, earlier?.state.tables[from])
    })
    this.claims = judge.columns.map((column) => {
      const old = earlier?.judge.columns.find((each) => sameState(each, column))
      return claimsOf(column, old && earlier?.state.claims[old.index], shared.cap, judge.moment)
    })
    this.marks = judge.columns.map(({ check }) => holdersOf('anyOf' in check ? check.anyOf : []))
    this.soleHolders = this.marks.map((holders) => (holders.length === 1 ? holders[0]?.held : undefined))
    this.unless = judge.columns.map(({ check }) => holdersOf(check.unless?.anyOf ?? []))
    this.variants = judge.columns.map(({ check }) => holdersOf(variantsOf(check).map(({ mark }) => mark)))
    this.quickWay = new QuickWay(judge, this)
  }

  /** Clears a record, or only the part that belongs to one slot. */
  forgetRow({ columns }: ScopeLayout, scope: number, row: number, slot: string | undefined): void {
    if (row < 0) return
    const table = this.tables[scope] as RecordTable
    if (slot === undefined) {
      table.remove(row)
      return
    }
    for (const column of columns) {
      if (column.check.slot === slot) clearColumn(column, table.cellsOf(row), table.offsetOf(row))
    }
    table.setPenalty(row, withoutSlot(table.penaltyOf(row), slot))
  }

  forgetClaims(columns: readonly Column[], key: Key, slot: string | undefined): void {
    for (const { index, check } of columns) {
      if (slot === undefined || slot === check.slot) this.claims[index]?.forget(key)
    }
  }

  /** Returns the limit in force: the ask's own, else that of the first variant whose mark is held, else the plan's. */
  limitOf(column: Column, ask: Ask, at: Ms): Limit {
    const own = ask.limits?.[column.index]
    if (own !== undefined) return reaching(column, own)
    const holders = this.variants[column.index] as readonly Holders[]
    const variants = variantsOf(column.check)
    for (let i = 0; i < variants.length; i++) {
      const variant = variants[i] as (typeof variants)[number]
      const key = ask.subjects[variant.subject]
      if (key === undefined) continue
      const mark = liveMark(holders[i] as Holders, key, at)
      if (mark === undefined) continue
      if (variant.limit !== 'stored') return variant.limit
      // An invalid stored limit is ignored, so that one bad record does not stop its subject.
      const limit = isSoundLimit(mark.value) ? limitWithin(mark.value, variant.within) : undefined
      if (limit !== undefined) return reaching(column, limit)
    }
    return column.limit
  }

  /** Whether the subject is exempt from a check for this ask. */
  isExempt({ index, check }: Column, ask: Ask, at: Ms): boolean {
    const subject = check.unless === undefined ? undefined : ask.subjects[check.unless.subject]
    return subject !== undefined && holdsAny(this.unless[index] as readonly Holders[], subject, at)
  }

  /** How long a check on marks refuses: 0 if it passes. */
  markWait(index: number, code: typeof ABSENT | typeof PRESENT, key: Key, at: Ms): Ms {
    const holders = this.marks[index] as readonly Holders[]
    if (code === PRESENT) return holdsAny(holders, key, at) ? 0 : Number.POSITIVE_INFINITY
    let wait = 0
    for (let i = 0; i < holders.length; i++) {
      const mark = liveMark(holders[i] as Holders, key, at)
      if (mark !== undefined) wait = Math.max(wait, (mark.until ?? Number.POSITIVE_INFINITY) - at)
    }
    return wait
  }
}

function holdsAny(holders: readonly Holders[], key: Key, at: Ms): boolean {
  for (let i = 0; i < holders.length; i++) {
    if (liveMark(holders[i] as Holders, key, at) !== undefined) return true
  }
  return false
}

/** Extends the column's reach for a limit that is not in the plan, so that its charges are kept as long as they matter. */
function reaching(column: Column, limit: Limit): Limit {
  const reach = reachOf(limit, column.code)
  if (reach > column.reach) column.reach = reach
  return limit
}

/** Moves a subject's record from an earlier plan's table into this one's. Returns its row, or -1 if there is none. */
export function carryOver(
  earlier: Judging,
  later: Judging,
  state: JudgedState,
  scope: number,
  key: Key,
  number: number,
  now: Ms,
): number {
  const from = earlier.plan.scopes.indexOf(later.plan.scopes[scope] as string)
  if (from < 0) return -1
  const earlierState = earlier.stateOf(state.bot)
  const row = earlier.rowOf(earlierState, from, key)
  if (row < 0) return -1
  const source = earlierState.tables[from] as RecordTable
  const penalty = source.penaltyOf(row)
  // Removed before inserting, to free its own room. Copied before removing, because removal moves other records into its place.
  const cells = source.copyOf(row)
  source.remove(row)
  const table = state.tables[scope] as RecordTable
  const made = table.insert(number, now)
  if (made < 0) return -1
  for (const column of later.layouts[scope]?.columns ?? []) {
    const old = earlier.layouts[from]?.columns.find((each) => sameState(each, column))
    if (old !== undefined) carryColumn(old, cells, 0, column, table.cellsOf(made), table.offsetOf(made))
  }
  table.setPenalty(made, penalty)
  return made
}

/** Returns the claims of a check, continuing those of an earlier plan. */
function claimsOf(
  { check }: Column,
  book: ClaimBook | undefined,
  cap: number,
  moment: Moment,
): ClaimBook | undefined {
  if (check.kind !== 'claim') return undefined
  const Book = check.tokens === 'sequence' ? SequenceClaims : DigestClaims
  if (!(book instanceof Book)) return new Book(check.holdFor, check.lease, cap, moment)
  book.changed(check.holdFor, check.lease)
  return book
}
