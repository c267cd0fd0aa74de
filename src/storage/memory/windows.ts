import type { Ms } from '../../core/duration.js'
import type { Limit } from '../../core/limit.js'
import { COUNTERS, type Column, LOG } from './layout.js'
import * as limits from './limiters.js'
import type { RecordTable } from './records.js'

/** How long to wait (0: it fits), and what is left, after the charge if it fits. `row` is -1 for a new subject. */
export function judgeWindow(
  column: Column,
  limit: Limit,
  table: RecordTable,
  row: number,
  cost: number,
  now: Ms,
): readonly [Ms, number] {
  const cells = row < 0 ? column.blank : table.cellsOf(row)
  const at = row < 0 ? 0 : table.offsetOf(row) + column.offset
  const { per } = limit
  if (column.code === LOG) {
    // The ring was made for the plan's limits; a larger one of the moment is cut to it.
    const amount = Math.min(limit.amount, column.ring)
    const units = Math.ceil(cost)
    const wait = limits.logRetry(cells, at, column.ring, amount, per, units, now)
    const used = limits.logUsed(cells, at, column.ring, per, now)
    return [wait, Math.max(0, amount - used - (wait === 0 ? units : 0))]
  }
  const most = limit.amount * limits.COST_SCALE
  const charge = limits.scaledCost(cost)
  if (column.code === COUNTERS) {
    const used = limits.countersUsed(cells, at, per, now)
    const before = limits.countersBefore(cells, at, per, now)
    const wait = limits.countersRetry(used, before, most, per, charge, now)
    const taken = limits.countersEstimate(used, before, per, now) + (wait === 0 ? charge : 0)
    return [wait, Math.max(0, most - taken) / limits.COST_SCALE]
  }
  const wait = limits.fixedRetry(cells, at, most, per, charge, now)
  const taken = limits.fixedUsed(cells, at, per, now) + (wait === 0 ? charge : 0)
  return [wait, Math.max(0, most - taken) / limits.COST_SCALE]
}

/** Charges a window whose cells begin at `at`. */
export function chargeWindow(
  column: Column,
  { per }: Limit,
  cells: Float64Array,
  at: number,
  cost: number,
  now: Ms,
): void {
  if (column.code === LOG) limits.logAdd(cells, at, column.ring, Math.ceil(cost), now)
  else if (column.code === COUNTERS) limits.countersAdd(cells, at, per, limits.scaledCost(cost), now)
  else limits.fixedAdd(cells, at, per, limits.scaledCost(cost), now)
}
