import type { Check, Limited, Plan } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { depthOf, type Limit } from '../../core/limit.js'
import { isLimited, variantsOf } from '../contract/plan.js'
import {
  BUCKET_CELLS,
  COUNTER_CELLS,
  FIXED_CELLS,
  logAdd,
  logCells,
  logClear,
  logNewest,
} from './limiters.js'
import { HEADER_CELLS, type RecordLayout } from './records.js'

export const ABSENT = 0
export const PRESENT = 1
export const CLAIM = 2
export const BUCKET = 3
export const LOG = 4
export const COUNTERS = 5
export const FIXED = 6

/** Traits of a check, as bits. EXEMPT: some marks exempt from the check. */
export const EXEMPT = 1
/** The check may put subjects under a penalty. */
export const PENAL = 2
/** The check has variants, so its limit may differ from the plan's. */
export const VARIED = 4
export const SHADOW = 8

/** A check with its place in the record, flattened for evaluation. */
export interface Column {
  readonly code: number
  readonly index: number
  readonly check: Check
  readonly scope: number
  /** Where the check's cells begin in the record; 0 for checks without cells. */
  readonly offset: number
  readonly cells: number
  /** For limits; zeros otherwise. */
  readonly limit: Limit
  /** How long a charge can matter, under any limit that has been in force. */
  reach: Ms
  /** For exact windows: the largest amount among the plan's limits. A larger limit from an ask or a stored one is cut to it. */
  readonly most: number
  /**
   * For exact windows: how many stamps fit. Never fewer than under an earlier plan, because a dropped stamp would be missing when
   * another one is refunded.
   */
  readonly ring: number
  /** Bits EXEMPT, PENAL, VARIED and SHADOW. Zero for most checks, which evaluation can then handle faster. */
  readonly traits: number
  /** For claims: the index of the claim's token. */
  readonly claim: number
  /** For claims: a later taker shares the fate of the first. */
  readonly waives: boolean
  /** The cells of a subject without a record. */
  readonly blank: Float64Array
}

const NO_LIMIT: Limit = { amount: 0, per: 0 }

/** Lays out the checks of a plan, by scope. */
export function layOut(
  plan: Plan,
  earlier: readonly Column[] = [],
): { columns: Column[]; layouts: ScopeLayout[] } {
  const strides: number[] = plan.scopes.map(() => HEADER_CELLS)
  let claims = 0
  const columns = plan.checks.map((check, index): Column => {
    const limited = isLimited(check)
    const most = check.kind === 'window' && check.form === 'log' ? mostOf(check) : 0
    const before = earlier.find((each) => each.code === codeOf(check) && each.check.slot === check.slot)
    const ring = Math.max(most, before?.ring ?? 0)
    const cells = cellsOf(check, ring)
    const offset = cells === 0 ? 0 : (strides[check.subject] as number)
    strides[check.subject] = (strides[check.subject] as number) + cells
    const column: Column = {
      code: codeOf(check),
      index,
      check,
      scope: check.subject,
      offset,
      cells,
      limit: limited ? check.limit : NO_LIMIT,
      reach: limited ? longestReach(check, codeOf(check)) : 0,
      most,
      ring,
      traits: traitsOf(check),
      claim: check.kind === 'claim' ? claims++ : -1,
      waives: check.kind === 'claim' && check.whenHeld === 'waive',
      blank: new Float64Array(cells),
    }
    if (cells > 0) clearCells(column, column.blank, 0)
    return column
  })
  const layouts = plan.scopes.map(
    (_, scope) =>
      new ScopeLayout(
        strides[scope] as number,
        columns.filter((column) => column.scope === scope && column.cells > 0),
      ),
  )
  return { columns, layouts }
}

/** The meaning of the cells in the records of one scope. */
export class ScopeLayout implements RecordLayout {
  constructor(
    readonly stride: number,
    readonly columns: readonly Column[],
  ) {}

  clear(cells: Float64Array, at: number): void {
    for (const column of this.columns) clearColumn(column, cells, at)
  }

  expiry(cells: Float64Array, at: number): number {
    let latest = Number.NEGATIVE_INFINITY
    for (const column of this.columns) latest = Math.max(latest, expiryOf(column, cells, at + column.offset))
    return latest
  }
}

/** Clears the cells of one check in the record that begins at `at`. */
export function clearColumn(column: Column, cells: Float64Array, at: number): void {
  clearCells(column, cells, at + column.offset)
}

function clearCells(column: Column, cells: Float64Array, own: number): void {
  if (column.code === LOG) logClear(cells, own, column.ring)
  else {
    // Not fill(): for so few cells the call costs more than the work.
    cells[own] = Number.NEGATIVE_INFINITY
    for (let i = 1; i < column.cells; i++) cells[own + i] = 0
  }
}

/** Copies the state of one check from a record of an earlier plan into a record of a later one. */
export function carryColumn(
  from: Column,
  fromCells: Float64Array,
  fromAt: number,
  to: Column,
  toCells: Float64Array,
  toAt: number,
): void {
  const source = fromAt + from.offset
  const target = toAt + to.offset
  if (from.code !== LOG) {
    for (let i = 0; i < to.cells; i++) toCells[target + i] = fromCells[source + i] as number
    return
  }
  for (let nth = from.ring; nth >= 1; nth--) {
    const stamp = logNewest(fromCells, source, from.ring, nth)
    if (stamp !== Number.NEGATIVE_INFINITY) logAdd(toCells, target, to.ring, 1, stamp)
  }
}

/** Whether one check can take over the state of the other. */
export function sameState(a: Column, b: Column): boolean {
  return a.code === b.code && a.check.slot === b.check.slot
}

function expiryOf(column: Column, cells: Float64Array, own: number): Ms {
  if (column.code === BUCKET) return cells[own] as number
  if (column.code === LOG) return logNewest(cells, own, column.ring, 1) + column.reach
  return (cells[own] as number) + column.reach
}

function codeOf(check: Check): number {
  switch (check.kind) {
    case 'absent':
      return ABSENT
    case 'present':
      return PRESENT
    case 'claim':
      return CLAIM
    case 'bucket':
      return BUCKET
    case 'window':
      return check.form === 'log' ? LOG : check.form === 'counters' ? COUNTERS : FIXED
  }
}

function cellsOf(check: Check, ring: number): number {
  if (check.kind === 'bucket') return BUCKET_CELLS
  if (check.kind !== 'window') return 0
  return check.form === 'log' ? logCells(ring) : check.form === 'counters' ? COUNTER_CELLS : FIXED_CELLS
}

function mostOf(check: Check & { kind: 'window' }): number {
  let most = check.limit.amount
  for (const { limit } of check.variants ?? []) if (limit !== 'stored') most = Math.max(most, limit.amount)
  return most
}

/** Returns how long a charge can matter under a limit. */
export function reachOf(limit: Limit, code: number): Ms {
  if (code === BUCKET) return depthOf(limit) / limit.amount
  return code === COUNTERS ? limit.per * 2 : limit.per
}

function longestReach(check: Check & Limited, code: number): Ms {
  let longest = reachOf(check.limit, code)
  for (const { limit } of check.variants ?? []) {
    if (limit !== 'stored') longest = Math.max(longest, reachOf(limit, code))
  }
  return longest
}

/** Returns how long the state of the checks can matter after its last change. */
export function longestLife(columns: readonly Column[]): Ms {
  let longest = 0
  for (const { check, reach } of columns) {
    const { penalty, noticeEvery = 0 } = check.onRefusal ?? {}
    const ban = Math.max(0, ...(penalty?.bans ?? []))
    const held = check.kind === 'claim' ? check.holdFor : 0
    longest = Math.max(longest, reach, held, noticeEvery, ban * 2, penalty?.within ?? 0)
  }
  return longest
}

function traitsOf(check: Check): number {
  return (
    (check.unless === undefined ? 0 : EXEMPT) |
    (check.onRefusal?.penalty === undefined ? 0 : PENAL) |
    (variantsOf(check).length === 0 ? 0 : VARIED) |
    (check.shadow === true ? SHADOW : 0)
  )
}
