import type { Ms } from '../../core/duration.js'
import { depthOf, type Limit } from '../../core/limit.js'
import type { PenaltyState } from '../memory/consequence.js'
import * as limits from '../memory/limiters.js'
import type { Column, Form } from './columns.js'
import type { Link } from './link.js'
import { newPenalty, penaltyEnd, readPenalty, writePenalty } from './penalties.js'

/** The `form` under which a penalty is stored, beside the forms of limits. */
const PENALTY = 'penalty'

interface Row {
  readonly cells: Uint8Array
  readonly until: number
}

/**
 * The state of one limit for one subject, and the penalty. Each is read at most once per ask, when needed, and written if it has
 * changed. Rows of other forms, from other plans, are left alone. Runs within a transaction.
 */
export class LimitRecord {
  #cells: Float64Array | undefined
  #until: Ms = Number.NEGATIVE_INFINITY
  #isCounted = false
  #penalty: PenaltyState | undefined
  #isPunished = false

  constructor(
    private readonly link: Link,
    readonly column: Column,
    private readonly bot: number,
    private readonly key: string,
  ) {
    const row = column.form === undefined ? undefined : this.#row(column.form)
    if (row === undefined) return
    this.#cells = cellsOf(row.cells)
    this.#until = row.until
  }

  get bannedUntil(): Ms {
    return this.column.check.onRefusal?.penalty === undefined
      ? Number.NEGATIVE_INFINITY
      : this.#penaltyNow().bannedUntil
  }

  /** For callers that change the penalty: it will be written. */
  get penalty(): PenaltyState {
    this.#isPunished = true
    return this.#penaltyNow()
  }

  /** Returns how long until a charge fits, 0 if it does. */
  waitOf(limit: Limit, cost: number, now: Ms): Ms {
    const cells = this.#read()
    const { amount, per } = limit
    const most = amount * limits.COST_SCALE
    switch (this.column.form) {
      case 'bucket': {
        const missing = missingOf(cells, limit, now)
        const charge = limits.bucketCharge(cost, per)
        return Math.max(0, limits.bucketRetry(missing, charge, depthOf(limit), amount))
      }
      case 'log':
        return limits.logRetry(cells, 0, this.column.ring, this.#logAmount(limit), per, Math.ceil(cost), now)
      case 'fixed':
        return limits.fixedRetry(cells, 0, most, per, limits.scaledCost(cost), now)
      default: {
        const used = limits.spanUsed(cells, 0, per, now)
        const before = limits.countersBefore(cells, 0, per, now)
        const covered = limits.countersStart(cells, 0, per, now) + per - now
        return limits.countersRetry(used, before, most, per, limits.scaledCost(cost), covered)
      }
    }
  }

  leftOf(limit: Limit, now: Ms): number {
    const cells = this.#read()
    const { amount, per } = limit
    switch (this.column.form) {
      case 'bucket':
        return Math.max(0, depthOf(limit) - missingOf(cells, limit, now)) / per
      case 'log':
        return Math.max(0, this.#logAmount(limit) - limits.logUsed(cells, 0, this.column.ring, per, now))
      case 'fixed':
        return Math.max(0, amount - limits.spanUsed(cells, 0, per, now) / limits.COST_SCALE)
      default: {
        const covered = limits.countersStart(cells, 0, per, now) + per - now
        const before = limits.countersBefore(cells, 0, per, now)
        const used = limits.spanUsed(cells, 0, per, now) + (before * covered) / per
        return Math.max(0, amount - used / limits.COST_SCALE)
      }
    }
  }

  charge(limit: Limit, cost: number, now: Ms): void {
    const cells = this.#write()
    const { amount, per } = limit
    // A later limit may look back further than this one.
    const reach = Math.max(per, this.column.longest)
    switch (this.column.form) {
      case 'bucket': {
        const missing = missingOf(cells, limit, now) + limits.bucketCharge(cost, per)
        cells[0] = now + missing / amount
        this.#until = Math.max(this.#until, cells[0])
        return
      }
      case 'log':
        limits.logAdd(cells, 0, this.column.ring, Math.ceil(cost), now)
        break
      case 'fixed':
        limits.fixedAdd(cells, 0, per, limits.scaledCost(cost), now)
        break
      default:
        limits.countersAdd(cells, 0, per, limits.scaledCost(cost), now)
    }
    this.#until = Math.max(this.#until, now + 2 * reach)
  }

  /** Refunds a charge that was made at a given time. */
  refund(limit: Limit, cost: number, chargedAt: Ms): void {
    if (this.#cells === undefined) return
    const cells = this.#write()
    const { amount, per } = limit
    switch (this.column.form) {
      case 'bucket':
        cells[0] = (cells[0] as number) - limits.bucketCharge(cost, per) / amount
        break
      case 'log':
        limits.logRemove(cells, 0, this.column.ring, Math.ceil(cost), chargedAt)
        break
      case 'fixed':
        limits.fixedRemove(cells, 0, per, limits.scaledCost(cost), chargedAt)
        break
      default:
        limits.countersRemove(cells, 0, per, limits.scaledCost(cost), chargedAt)
    }
  }

  write(): void {
    if (this.#isCounted && this.#cells !== undefined) {
      this.#put(this.column.form as Form, this.#cells, this.#until)
    }
    if (this.#isPunished && this.#penalty !== undefined) {
      this.#put(PENALTY, writePenalty(this.#penalty), penaltyEnd(this.#penalty))
    }
  }

  #row(form: Form | typeof PENALTY): Row | undefined {
    return this.link.get<Row>(
      'SELECT cells, until FROM sentinel_records WHERE place = ? AND bot = ? AND key = ? AND form = ?',
      this.column.place,
      this.bot,
      this.key,
      form,
    )
  }

  #put(form: Form | typeof PENALTY, cells: Float64Array, until: Ms): void {
    this.link.run(
      'INSERT OR REPLACE INTO sentinel_records (place, bot, key, form, cells, until) VALUES (?, ?, ?, ?, ?, ?)',
      this.column.place,
      this.bot,
      this.key,
      form,
      bytesOf(cells),
      Math.max(0, until),
    )
  }

  #penaltyNow(): PenaltyState {
    if (this.#penalty === undefined) {
      const row = this.#row(PENALTY)
      this.#penalty = row === undefined ? newPenalty() : readPenalty(cellsOf(row.cells))
    }
    return this.#penalty
  }

  /** Returns the cells in the size that this plan uses. */
  #read(): Float64Array {
    const { form, ring } = this.column
    if (this.#cells === undefined) return blank(form, ring)
    return form === 'log' ? ringOf(this.#cells, ring) : this.#cells
  }

  #write(): Float64Array {
    this.#cells = this.#read()
    this.#isCounted = true
    return this.#cells
  }

  /** Cuts a limit to the largest amount in the plan, which is what the ring was sized for. */
  #logAmount({ amount }: Limit): number {
    return Math.min(amount, this.column.ring)
  }
}

function missingOf(cells: Float64Array, limit: Limit, now: Ms): number {
  return limits.bucketMissing(cells[0] as number, now, limit.amount)
}

function blank(form: Form | undefined, ring: number): Float64Array {
  if (form === 'log') {
    const cells = new Float64Array(limits.logCells(ring))
    limits.logClear(cells, 0, ring)
    return cells
  }
  const lengths = { bucket: limits.BUCKET_CELLS, fixed: limits.FIXED_CELLS, counters: limits.COUNTER_CELLS }
  const cells = new Float64Array(form === undefined ? 0 : lengths[form])
  cells[0] = Number.NEGATIVE_INFINITY
  return cells
}

/** Copies the newest stamps of a ring into one of another size. */
function ringOf(cells: Float64Array, ring: number): Float64Array {
  const was = cells.length - 1
  if (was === ring) return cells
  const resized = blank('log', ring)
  for (let nth = Math.min(was, ring); nth > 0; nth--) {
    const stamp = limits.logNewest(cells, 0, was, nth)
    if (stamp !== Number.NEGATIVE_INFINITY) limits.logAdd(resized, 0, ring, 1, stamp)
  }
  return resized
}

/** Copied, because a Float64Array must be aligned to eight bytes. */
function cellsOf(bytes: Uint8Array): Float64Array {
  return new Float64Array(Uint8Array.from(bytes).buffer)
}

function bytesOf(cells: Float64Array): Uint8Array {
  return Buffer.from(cells.buffer, cells.byteOffset, cells.byteLength)
}
