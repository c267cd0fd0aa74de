import type { Check, Limited, Plan } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { capacityOf, type Limit } from '../../core/limit.js'
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

/** Traits of a check, as bits. It may be left out for whoever holds a mark. */
export const EXCUSED = 1
/** It may be under a penalty. */
export const PENAL = 2
/** Its limit may be another than the plan's. */
export const VARIED = 4
export const SHADOW = 8

/** A check with its place in the record: what evaluation reads, flat. */
export interface Column {
  readonly code: number
  readonly index: number
  readonly check: Check
  readonly scope: number
  /** Where its cells begin in the record; 0 for checks that keep none. */
  readonly offset: number
  readonly cells: number
  /** Of limits; zeros elsewhere. */
  readonly limit: Limit
  /** How long a charge can matter, by any limit that was in force so far. */
  reach: Ms
  /** Of exact windows: the most units that the plan's limits name; a larger limit of the moment is cut to it. */
  readonly most: number
  /**
   * Stamps that an exact window has room for. Never fewer than under an earlier plan: a stamp that was dropped would
   * be missed when another is given back.
   */
  readonly ring: number
  readonly shadow: boolean
  readonly penal: boolean
  readonly varied: boolean
  /** The check may be left out for whoever holds a mark. */
  readonly excused: boolean
  /** Of claims: which of them it is, for its token. */
  readonly claim: number
  /** Of claims: a later taker shares the fate of the first. */
  readonly waives: boolean
  /** Its cells in a record that is not there. */
  readonly blank: Float64Array
}

const NO_LIMIT: Limit = { amount: 0, per: 0 }

/** Lays the checks of a plan out, by scope. */
export function layOut(
  plan: Plan,
  earlier: readonly Column[] = [],
): { columns: Column[]; layouts: ScopeLayout[] } {
  const strides: number[] = plan.scopes.map(() => HEADER_CELLS)
  let claims = 0
  const columns = plan.checks.map((check, index): Column => {
    const limited = check.kind === 'bucket' || check.kind === 'window'
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
      shadow: check.shadow === true,
      penal: check.onRefusal?.penalty !== undefined,
      varied: limited && check.variants !== undefined && check.variants.length > 0,
      excused: check.unless !== undefined,
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

/** What the cells of one scope's records mean. */
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

/** Empties the cells of one check in the record that begins at `at`. */
export function clearColumn(column: Column, cells: Float64Array, at: number): void {
  clearCells(column, cells, at + column.offset)
}

function clearCells(column: Column, cells: Float64Array, own: number): void {
  if (column.code === LOG) logClear(cells, own, column.ring)
  else {
    // Not fill(): for a few cells the call costs more than the work.
    cells[own] = Number.NEGATIVE_INFINITY
    for (let i = 1; i < column.cells; i++) cells[own + i] = 0
  }
}

/** Carries the state of one check from a record of an earlier plan into a record of a later one. */
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

/** Whether the state of one check can go on as that of the other. */
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

/** How long a charge can matter under a limit. */
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

/** Units of a bucket from full to empty. */
export function depthOf(limit: Limit): number {
  return capacityOf(limit) * limit.per
}

/** How long the state of some checks can matter after it was last touched. */
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

/** None for most checks, which evaluation then need not look at any closer. */
export function traitsOf({ excused, penal, varied, shadow }: Column): number {
  return (excused ? EXCUSED : 0) | (penal ? PENAL : 0) | (varied ? VARIED : 0) | (shadow ? SHADOW : 0)
}
