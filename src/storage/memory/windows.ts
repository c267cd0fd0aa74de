import type { Ms } from '../../core/duration.js'
import type { Limit } from '../../core/limit.js'
import { BUCKET, COUNTERS, type Column, FIXED, LOG } from './layout.js'
import * as limits from './limiters.js'

/** Returns how long until a charge fits, 0 if it does. The check's cells begin at `at`. */
export function windowWait(
  column: Column,
  limit: Limit,
  cells: Float64Array,
  at: number,
  cost: number,
  now: Ms,
): Ms {
  const { per } = limit
  if (column.code === LOG) {
    const amount = logAmount(column, limit)
    return limits.logRetry(cells, at, column.ring, amount, per, Math.ceil(cost), now)
  }
  const most = limit.amount * limits.COST_SCALE
  const charge = limits.scaledCost(cost)
  if (column.code === FIXED) return limits.fixedRetry(cells, at, most, per, charge, now)
  const used = limits.spanUsed(cells, at, per, now)
  const before = limits.countersBefore(cells, at, per, now)
  const covered = limits.countersStart(cells, at, per, now) + per - now
  return limits.countersRetry(used, before, most, per, charge, covered)
}

/** Returns what is left of a window. */
export function windowLeft(column: Column, limit: Limit, cells: Float64Array, at: number, now: Ms): number {
  const { per } = limit
  if (column.code === LOG) {
    return Math.max(0, logAmount(column, limit) - limits.logUsed(cells, at, column.ring, per, now))
  }
  let used: number
  if (column.code === FIXED) used = limits.spanUsed(cells, at, per, now)
  else {
    const covered = limits.countersStart(cells, at, per, now) + per - now
    const before = limits.countersBefore(cells, at, per, now)
    used = limits.spanUsed(cells, at, per, now) + (before * covered) / per
  }
  return Math.max(0, limit.amount - used / limits.COST_SCALE)
}

/** Returns the size of a charge in the units of `remaining`. */
export function chargeOf(column: Column, limit: Limit, cost: number): number {
  if (column.code === BUCKET) return limits.bucketCharge(cost, limit.per) / limit.per
  return column.code === LOG ? Math.ceil(cost) : limits.scaledCost(cost) / limits.COST_SCALE
}

/** Cuts a limit to the largest amount in the plan, which is what the ring was sized for. */
function logAmount(column: Column, limit: Limit): number {
  return Math.min(limit.amount, column.most)
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
