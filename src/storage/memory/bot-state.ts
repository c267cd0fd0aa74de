import type { Ask } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import type { Limit } from '../../core/limit.js'
import type { Key } from '../../core/subject.js'
import { type ClaimBook, DigestClaims, Moment, SequenceClaims } from './claims.js'
import type { MemoryJudge, MemoryShared } from './judge.js'
import { type Column, carryColumn, sameState } from './layout.js'
import { type Holders, liveMark } from './marks.js'
import { RecordTable } from './records.js'

/** All that one plan keeps of one bot. */
export class BotState {
  readonly moment: Moment
  /** By scope. */
  readonly tables: readonly RecordTable[]
  /** By check, for claims. */
  readonly claims: readonly (ClaimBook | undefined)[]
  /** By check: who holds the marks it asks for, those that leave it out, and those of its variants. */
  readonly marks: readonly (readonly Holders[] | undefined)[]
  readonly unless: readonly (readonly Holders[] | undefined)[]
  private readonly variants: readonly (readonly Holders[] | undefined)[]

  constructor(
    readonly bot: number,
    judge: MemoryJudge,
    shared: MemoryShared,
    earlier: { readonly judge: MemoryJudge; readonly state: BotState } | undefined,
  ) {
    // Books go on from plan to plan, and so does the time they read.
    this.moment = earlier?.state.moment ?? new Moment()
    const seed = shared.digest.number(`table ${bot}`) | 0
    const holdersOf = (names: readonly string[]): Holders[] =>
      names.map((name) => shared.marks.holders(bot, name))
    this.tables = judge.layouts.map((layout) => new RecordTable(layout, shared.cap, seed))
    this.claims = judge.columns.map((column) => {
      const old = earlier?.judge.columns.find((each) => sameState(each, column))
      return claimsOf(column, old && earlier?.state.claims[old.index], shared.cap, this.moment)
    })
    this.marks = judge.columns.map(({ check }) =>
      check.kind === 'absent' || check.kind === 'present' ? holdersOf(check.anyOf) : undefined,
    )
    this.unless = judge.columns.map(({ check }) =>
      check.unless === undefined ? undefined : holdersOf(check.unless.anyOf),
    )
    this.variants = judge.columns.map(({ check }) =>
      check.kind === 'bucket' || check.kind === 'window'
        ? holdersOf((check.variants ?? []).map(({ mark }) => mark))
        : undefined,
    )
  }

  /** The limit in force: the ask's own, or that of the first variant whose mark is held, or the plan's. */
  limitOf(column: Column, ask: Ask, at: Ms): Limit {
    const own = ask.limits?.[column.index]
    if (own !== undefined) return own
    const { check } = column
    if (!column.varied || (check.kind !== 'bucket' && check.kind !== 'window')) return column.limit
    const holders = this.variants[column.index] as readonly Holders[]
    const variants = check.variants ?? []
    for (let i = 0; i < variants.length; i++) {
      const variant = variants[i] as (typeof variants)[number]
      const key = ask.subjects[variant.subject]
      if (key === undefined) continue
      const mark = liveMark(holders[i] as Holders, key, at)
      if (mark === undefined) continue
      if (variant.limit !== 'stored') return variant.limit
      if (isLimit(mark.value)) return mark.value
    }
    return column.limit
  }
}

/** Moves a subject's record from an earlier plan's table into this one's; its row, or -1 if there is none. */
export function carryOver(
  earlier: MemoryJudge,
  later: MemoryJudge,
  state: BotState,
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
  const table = state.tables[scope] as RecordTable
  const made = table.insert(number, now)
  if (made < 0) return -1
  for (const column of later.layouts[scope]?.columns ?? []) {
    const old = earlier.layouts[from]?.columns.find((each) => sameState(each, column))
    if (old === undefined) continue
    const cells = source.cellsOf(row)
    carryColumn(old, cells, source.offsetOf(row), column, table.cellsOf(made), table.offsetOf(made))
  }
  table.setPenalty(made, source.penaltyOf(row))
  source.remove(row)
  return made
}

/** The claims of a check, going on from those of an earlier plan. */
function claimsOf(
  column: Column,
  book: ClaimBook | undefined,
  cap: number,
  moment: Moment,
): ClaimBook | undefined {
  const { check } = column
  if (check.kind !== 'claim') return undefined
  if (check.tokens === 'sequence') {
    if (book instanceof SequenceClaims) return book.changed(check.holdFor, check.lease)
    return new SequenceClaims(check.holdFor, check.lease, moment)
  }
  if (book instanceof DigestClaims) return book.changed(check.holdFor, check.lease)
  return new DigestClaims(check.holdFor, check.lease, cap, moment)
}

function isLimit(value: unknown): value is Limit {
  if (typeof value !== 'object' || value === null) return false
  const { amount, per } = value as Partial<Limit>
  return typeof amount === 'number' && amount >= 1 && typeof per === 'number' && per >= 1
}
