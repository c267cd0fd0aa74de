import type { Key } from '../../core/subject.js'
import { HELD, PAID } from './claims.js'
import type { MemoryAdmission } from './decision.js'
import type { MemoryJudge } from './judge.js'
import { BUCKET, COUNTERS, type Column, LOG } from './layout.js'
import * as limits from './limiters.js'
import type { RecordTable } from './records.js'

/** Ends the claims of an admission: held for good, or free to be taken once more. Idempotent. */
export function settleClaims(
  judge: MemoryJudge,
  receipt: MemoryAdmission,
  how: 'complete' | 'release',
): void {
  if (receipt.settled) return
  receipt.settled = true
  const { ask } = receipt
  const state = judge.stateOf(ask.bot)
  for (const { check, index, claim } of judge.columns) {
    if (check.kind !== 'claim' || ask.costs[index] === 0) continue
    const key = ask.subjects[check.subject]
    if (key === undefined || (how === 'release' && check.retry !== true)) continue
    const to = how === 'release' ? PAID : HELD
    state.claims[index]?.settle(key, ask.tokens[claim] as number, receipt.serial, to)
  }
}

/** Gives back what limits charged: all of them, or one. Once. */
export function refund(judge: MemoryJudge, receipt: MemoryAdmission, only: number | undefined): void {
  const { ask } = receipt
  const state = judge.stateOf(ask.bot)
  for (const column of judge.columns) {
    const { index } = column
    if (only !== undefined && index !== only) continue
    const bit = 1 << index
    if (column.code < BUCKET || (receipt.charged & bit) === 0 || (receipt.refunded & bit) !== 0) continue
    receipt.refunded |= bit
    const row = judge.rowOf(state, column.scope, ask.subjects[column.scope] as Key)
    if (row >= 0) giveBack(column, receipt, state.tables[column.scope] as RecordTable, row)
  }
}

function giveBack(column: Column, receipt: MemoryAdmission, table: RecordTable, row: number): void {
  const cells = table.cellsOf(row)
  const at = table.offsetOf(row) + column.offset
  const limit = receipt.limits?.[column.index] ?? column.limit
  const cost = receipt.ask.costs[column.index] as number
  if (column.code === BUCKET) {
    cells[at] = (cells[at] as number) - limits.bucketCharge(cost, limit.per) / limit.amount
  } else if (column.code === LOG) {
    limits.logRemove(cells, at, column.ring, Math.ceil(cost), receipt.at)
  } else if (column.code === COUNTERS) {
    limits.countersRemove(cells, at, limit.per, limits.scaledCost(cost), receipt.at)
  } else limits.fixedRemove(cells, at, limit.per, limits.scaledCost(cost), receipt.at)
}
