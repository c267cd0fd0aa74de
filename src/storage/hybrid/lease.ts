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

/** Units of one limit and subject that were paid for and may be spent here until the lease ends. */
export class Lease {
  /** What may still be spent. */
  units: number
  private ended = false
  /** Largest first. */
  private readonly chunks: Chunk[]
  /** Units to give back. */
  private back = 0

  constructor(
    chunks: readonly Chunk[],
    readonly endsAt: Ms,
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
    this.back += units
    this.settle()
  }

  /** What was not spent goes back. */
  end(): void {
    if (this.ended) return
    this.ended = true
    this.back += this.units
    this.units = 0
    this.settle()
  }

  /** Nothing of it is worth anything any longer: the subject was reset. */
  drop(): void {
    this.ended = true
    this.units = 0
    this.chunks.length = 0
  }

  private settle(): void {
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
