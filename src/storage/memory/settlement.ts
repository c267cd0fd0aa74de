import type { Settlement } from '../../core/check.js'
import type { Key } from '../../core/subject.js'
import { HELD, PAID } from './claims.js'
import type { MemoryAdmission } from './decision.js'
import { BUCKET, COUNTERS, type Column, LOG, sameState } from './layout.js'
import * as limits from './limiters.js'
import type { RecordTable } from './records.js'

/** Settles an admission. The plan may have changed since, so the state is looked up in the latest plan, by slot. */
export function settleAdmission(receipt: MemoryAdmission, how: Settlement, only: number | undefined): void {
  if (how === 'refund') refund(receipt, only)
  else settleClaims(receipt, how)
}

/** Makes claims stay taken for their whole `holdFor`, or free to be taken once more. Idempotent. */
function settleClaims(receipt: MemoryAdmission, how: 'complete' | 'release'): void {
  if (receipt.settled) return
  receipt.settled = true
  const { ask, judge, serial } = receipt
  const latest = judge.latest
  const state = latest.stateOf(ask.bot)
  for (const column of judge.columns) {
    const { check, index, claim } = column
    // Claims without the bit were waived by an earlier claim; this admission did not take them.
    if (check.kind !== 'claim' || (receipt.charged & (1 << index)) === 0) continue
    const key = ask.subjects[check.subject]
    const now = latest.columns.find((each) => sameState(each, column))
    if (key === undefined || now === undefined) continue
    // Without `retry` a claim stays held even if the handler failed.
    const to = how === 'release' && check.retry === true ? PAID : HELD
    state.claims[now.index]?.settle(key, ask.tokens[claim] as number, serial, to)
  }
}

/** Refunds the charges of all limits or of one, once each. */
function refund(receipt: MemoryAdmission, only: number | undefined): void {
  const { ask, judge } = receipt
  const latest = judge.latest
  const state = latest.stateOf(ask.bot)
  for (const column of judge.columns) {
    const { index } = column
    const bit = 1 << index
    if (column.code < BUCKET || (only !== undefined && index !== only)) continue
    if ((receipt.charged & ~receipt.refunded & bit) === 0) continue
    receipt.refunded |= bit
    const now = latest.columns.find((each) => sameState(each, column))
    if (now === undefined) continue
    const row = latest.rowOf(state, now.scope, ask.subjects[column.scope] as Key)
    if (row >= 0) giveBack(column, now, receipt, state.tables[now.scope] as RecordTable, row)
  }
}

function giveBack(was: Column, now: Column, receipt: MemoryAdmission, table: RecordTable, row: number): void {
  const cells = table.cellsOf(row)
  const at = table.offsetOf(row) + now.offset
  const { per, amount } = receipt.limits?.[was.index] ?? was.limit
  const cost = receipt.ask.costs[was.index] as number
  if (now.code === BUCKET) cells[at] = (cells[at] as number) - limits.bucketCharge(cost, per) / amount
  else if (now.code === LOG) limits.logRemove(cells, at, now.ring, Math.ceil(cost), receipt.ownAt)
  else if (now.code === COUNTERS) {
    limits.countersRemove(cells, at, per, limits.scaledCost(cost), receipt.ownAt)
  } else limits.fixedRemove(cells, at, per, limits.scaledCost(cost), receipt.ownAt)
}
