import type { Receipt } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'

interface Chunk {
  readonly receipt: Receipt
  readonly units: number
}

/**
 * Sizes that make up a batch so that every number of units up to it is the sum of some: what is left when the lease ends can be
 * given back to the unit, though the storage takes back whole charges only.
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
 * What refilled in the storage while units lay here unspent. Had they never been charged, a full bucket would have lost that: so of
 * what is given back, as much is kept, or more would pass than the limit says. One for all leases of a limit and subject, since
 * whole units only can be kept: what was kept too much counts for the next lease.
 */
export interface Refilled {
  /** Units to keep of what is given back; below zero where more was kept than was due. */
  due: number
}

/** Units of one limit and subject that were paid for and may be spent here until the lease ends. */
export class Lease {
  /** What may still be spent. */
  units: number
  private ended = false
  /** Largest first. */
  private readonly chunks: Chunk[]
  /** Units to give back. */
  private back = 0
  /** All that ever came back. */
  private unspent = 0
  /** Of what refilled, so much is in {@link Refilled} already. */
  private told = 0

  constructor(
    chunks: readonly Chunk[],
    readonly endsAt: Ms,
    private readonly refilled: Refilled,
    /** How much has refilled by now since the units were charged. */
    private readonly refill: () => number,
    private readonly giveBack: (receipts: readonly Receipt[], units: number) => void,
  ) {
    this.chunks = [...chunks].sort((a, b) => b.units - a.units)
    this.units = chunks.reduce((sum, chunk) => sum + chunk.units, 0)
  }

  /** Takes units if they are there. */
  take(units: number, now: Ms): boolean {
    if (this.ended || this.endsAt <= now || this.units < units) return false
    this.units -= units
    return true
  }

  /** Units that were taken and not needed, or refunded. */
  put(units: number, now: Ms): void {
    if (!this.ended && this.endsAt > now) {
      this.units += units
      return
    }
    this.settle(units)
  }

  /** What was not spent goes back. */
  end(): void {
    if (this.ended) return
    this.ended = true
    const { units } = this
    this.units = 0
    this.settle(units)
  }

  /** Nothing of it is worth anything any longer: the subject was reset. */
  drop(): void {
    this.ended = true
    this.units = 0
    this.chunks.length = 0
  }

  private settle(units: number): void {
    this.back += units
    this.unspent += units
    const due = Math.min(this.unspent, this.refill()) - this.told
    if (due > 0) {
      this.told += due
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
