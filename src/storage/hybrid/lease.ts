import type { Receipt } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'

interface Chunk {
  readonly receipt: Receipt
  readonly units: number
}

/**
 * Splits a batch into charges so that any number of units up to the batch is the sum of some of them. The rest of a lease can
 * thus be refunded to the unit, although the storage only refunds whole charges.
 */
export function chunksOf(batch: number): number[] {
  const sizes: number[] = []
  let left = batch
  for (let size = 1; left > 0; size *= 2) {
    const next = Math.min(size, left)
    sizes.push(next)
    left -= next
  }
  return sizes
}

/**
 * Counts units that the storage has refilled while unspent units were late to go back, or since refunded ones were charged. Had
 * those never been charged, a full bucket would not have gained them; so as many units are withheld, or more would pass than the
 * limit allows. Shared by all leases of a limit and subject: only whole units can be withheld, and the excess counts for the next.
 */
export interface Refilled {
  /** Units to withhold; negative if more was withheld than due. */
  due: number
}

/** Units that go back for the same reason. */
interface Returned {
  units: number
  /** How many of them are already counted in {@link Refilled}. */
  told: number
  /** What may refill since the charge without being withheld. */
  readonly free: number
}

/** Units of one limit and subject that are already charged and may be spent here until the lease ends. */
export class Lease {
  /** Units that may still be spent. */
  units: number
  /** Units that were leased. */
  readonly size: number
  private ended = false
  /** Largest first. */
  private readonly chunks: Chunk[]
  /** Units to give back. */
  private back = 0
  private readonly unspent: Returned
  private readonly refunded: Returned = { units: 0, told: 0, free: 0 }

  constructor(
    chunks: readonly Chunk[],
    readonly endsAt: Ms,
    private readonly refilled: Refilled,
    /** Returns how many units have been refilled since the units were charged. */
    private readonly refill: () => number,
    /** How many may have been refilled when unspent units are back in time. */
    free: number,
    private readonly giveBack: (receipts: readonly Receipt[], units: number) => void,
  ) {
    this.chunks = [...chunks].sort((a, b) => b.units - a.units)
    this.size = chunks.reduce((sum, chunk) => sum + chunk.units, 0)
    this.units = this.size
    this.unspent = { units: 0, told: 0, free }
  }

  /** Takes units. Returns whether there were enough. */
  take(units: number, now: Ms): boolean {
    if (this.ended || this.endsAt <= now || this.units < units) return false
    this.units -= units
    return true
  }

  /** Puts back units that were taken but not needed. */
  put(units: number, now: Ms): void {
    if (!this.ended && this.endsAt > now) this.units += units
    else this.settle(units, this.unspent)
  }

  /** Puts back units that were spent. */
  refund(units: number, now: Ms): void {
    if (!this.ended && this.endsAt > now) this.units += units
    else this.settle(units, this.refunded)
  }

  /** Ends the lease and gives back unspent units. */
  end(): void {
    if (this.ended) return
    this.ended = true
    const { units } = this
    this.units = 0
    this.settle(units, this.unspent)
  }

  /** Discards the lease, because the subject was reset. */
  drop(): void {
    this.ended = true
    this.units = 0
    this.chunks.length = 0
  }

  private settle(units: number, returned: Returned): void {
    this.back += units
    returned.units += units
    const due = Math.min(returned.units, this.refill() - returned.free) - returned.told
    if (due > 0) {
      returned.told += due
      this.refilled.due += due
    }
    const kept = Math.min(this.back, Math.max(0, Math.ceil(this.refilled.due)))
    this.back -= kept
    this.refilled.due -= kept
    const receipts: Receipt[] = []
    let given = 0
    for (let i = 0; i < this.chunks.length; ) {
      const { units, receipt } = this.chunks[i] as Chunk
      if (units > this.back) i++
      else {
        this.back -= units
        given += units
        this.chunks.splice(i, 1)
        receipts.push(receipt)
      }
    }
    if (receipts.length > 0) this.giveBack(receipts, given)
  }
}
