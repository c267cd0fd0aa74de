import type { Ms } from '../../core/duration.js'

/*
 * The arithmetic of limits over a few cells of a record. It is exact because everything is a whole number: a bucket of n per p ms
 * counts in units of 1/n ms, of which a token takes p; windows count in thousandths. Every function receives the cells of the
 * record and the offset of its own cells, and allocates nothing.
 */

/** Costs are counted in thousandths. A cost above zero counts as at least one thousandth. */
export const COST_SCALE = 1000

/** A cost in thousandths. */
export function scaledCost(cost: number): number {
  return Math.max(1, Math.round(cost * COST_SCALE))
}

/*
 * Token bucket, as GCRA: https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
 * One cell: the time at which the bucket will be full again.
 */

export const BUCKET_CELLS = 1

/** Units that a cost takes out of the bucket. */
export function bucketCharge(cost: number, per: Ms): number {
  return Math.max(1, Math.round(cost * per))
}

/** Units missing from the bucket; 0 when full. May exceed the capacity for a while after the limit was lowered. */
export function bucketMissing(fullAt: Ms, now: Ms, amount: number): number {
  return Math.max(0, Math.round((fullAt - now) * amount))
}

/** How long until a bucket with `missing` units missing has room for a charge. */
export function bucketRetry(missing: number, charge: number, depth: number, amount: number): Ms {
  return charge > depth ? Number.POSITIVE_INFINITY : Math.ceil((missing + charge - depth) / amount)
}

/* Exact window: a ring of time stamps, one per unit. Cells: the index of the next stamp, then the ring. */

export function logCells(amount: number): number {
  return 1 + amount
}

export function logClear(cells: Float64Array, at: number, ring: number): void {
  cells[at] = 0
  cells.fill(Number.NEGATIVE_INFINITY, at + 1, at + 1 + ring)
}

/** Returns the time stamp of the nth newest unit, counting from 1. */
export function logNewest(cells: Float64Array, at: number, ring: number, nth: number): number {
  const head = cells[at] as number
  return cells[at + 1 + ((head - nth + ring) % ring)] as number
}

/** Returns 0 if the units fit, else how long until they do. */
export function logRetry(
  cells: Float64Array,
  at: number,
  ring: number,
  amount: number,
  per: Ms,
  units: number,
  now: Ms,
): Ms {
  if (units > amount) return Number.POSITIVE_INFINITY
  // Besides the added units, (amount - units) earlier stamps may remain in the window, so the next older one must have left it.
  const binding = logNewest(cells, at, ring, amount - units + 1)
  return Math.max(0, binding + per - now)
}

/** Returns how many units are within the window. Stamps are ordered by age, so a binary search finds the edge. */
export function logUsed(cells: Float64Array, at: number, ring: number, per: Ms, now: Ms): number {
  let some = 0
  let most = ring
  while (some < most) {
    const middle = (some + most + 1) >> 1
    if (logNewest(cells, at, ring, middle) + per > now) some = middle
    else most = middle - 1
  }
  return some
}

export function logAdd(cells: Float64Array, at: number, ring: number, units: number, now: Ms): void {
  let head = cells[at] as number
  for (let i = 0; i < units; i++) {
    cells[at + 1 + head] = now
    head = head + 1 === ring ? 0 : head + 1
  }
  cells[at] = head
}

/** Removes up to `units` of the units that were added at a given time. */
export function logRemove(
  cells: Float64Array,
  at: number,
  ring: number,
  units: number,
  addedAt: number,
): void {
  const kept: number[] = []
  let left = units
  for (let nth = 1; nth <= ring; nth++) {
    const stamp = logNewest(cells, at, ring, nth)
    if (left > 0 && stamp === addedAt) left--
    else if (stamp !== Number.NEGATIVE_INFINITY) kept.push(stamp)
  }
  logClear(cells, at, ring)
  for (let i = kept.length - 1; i >= 0; i--) logAdd(cells, at, ring, 1, kept[i] as number)
}

/** Returns the usage in a span, 0 after its end. Both windows below begin with these cells: start of the span, usage in it. */
export function spanUsed(cells: Float64Array, at: number, per: Ms, now: Ms): number {
  return (cells[at] as number) + per > now ? (cells[at + 1] as number) : 0
}

/*
 * Two-counter window, after https://blog.cloudflare.com/counting-things-a-lot-of-different-things/
 * Time is divided into spans, beginning with the first charge. Usage of the previous span counts in proportion to the part of it
 * that the window still covers. Cells: start of the current span, usage in it, usage in the span before; usage in thousandths.
 */

export const COUNTER_CELLS = 3

/** Returns the start of the span that contains `now`, or `now` itself if no earlier usage counts any longer. */
export function countersStart(cells: Float64Array, at: number, per: Ms, now: Ms): Ms {
  const start = cells[at] as number
  if (start + per > now) return start
  return start + per * 2 > now ? start + per : now
}

export function countersBefore(cells: Float64Array, at: number, per: Ms, now: Ms): number {
  const start = cells[at] as number
  if (start + per > now) return cells[at + 2] as number
  return start + per * 2 > now ? (cells[at + 1] as number) : 0
}

/** Returns 0 if the charge fits, else how long until it does. `per` and `covered` are in ms, the rest in thousandths. */
export function countersRetry(
  used: number,
  before: number,
  most: number,
  per: Ms,
  charge: number,
  covered: Ms,
): Ms {
  if (charge > most) return Number.POSITIVE_INFINITY
  const room = most - charge
  if (before * covered + used * per <= room * per) return 0
  // During this span `before` fades out; during the next one, the usage of this span does.
  const inThis = used <= room ? covered - ((room - used) * per) / before : covered
  const wait = used <= room ? inThis : covered + Math.max(0, per - (room * per) / used)
  let whole = Math.ceil(wait)
  // The divisions round, so adjust the result by the exact rule.
  while (whole > 1 && countersFit(used, before, room, per, covered, whole - 1)) whole--
  while (!countersFit(used, before, room, per, covered, whole)) whole++
  return whole
}

function countersFit(
  used: number,
  before: number,
  room: number,
  per: Ms,
  covered: number,
  after: Ms,
): boolean {
  if (after < covered) return before * (covered - after) + used * per <= room * per
  const intoNext = after - covered
  return intoNext >= per || used * (per - intoNext) <= room * per
}

export function countersAdd(cells: Float64Array, at: number, per: Ms, charge: number, now: Ms): void {
  const before = countersBefore(cells, at, per, now)
  const used = spanUsed(cells, at, per, now)
  cells[at] = countersStart(cells, at, per, now)
  cells[at + 1] = used + charge
  cells[at + 2] = before
}

export function countersRemove(
  cells: Float64Array,
  at: number,
  per: Ms,
  charge: number,
  addedAt: number,
): void {
  const start = cells[at] as number
  if (addedAt >= start + per || addedAt < start - per) return
  const cell = addedAt >= start ? at + 1 : at + 2
  cells[cell] = Math.max(0, (cells[cell] as number) - charge)
}

/* Fixed window: begins with the first charge. Cells: its start, usage in thousandths. */

export const FIXED_CELLS = 2

export function fixedRetry(
  cells: Float64Array,
  at: number,
  most: number,
  per: Ms,
  charge: number,
  now: Ms,
): Ms {
  if (charge > most) return Number.POSITIVE_INFINITY
  return spanUsed(cells, at, per, now) + charge <= most ? 0 : (cells[at] as number) + per - now
}

export function fixedAdd(cells: Float64Array, at: number, per: Ms, charge: number, now: Ms): void {
  const used = spanUsed(cells, at, per, now)
  if ((cells[at] as number) + per <= now) cells[at] = now
  cells[at + 1] = used + charge
}

export function fixedRemove(cells: Float64Array, at: number, per: Ms, charge: number, addedAt: number): void {
  const start = cells[at] as number
  if (addedAt >= start && addedAt < start + per)
    cells[at + 1] = Math.max(0, (cells[at + 1] as number) - charge)
}
