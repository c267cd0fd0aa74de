import type { Ms } from '../../core/duration.js'

/** A span is divided into this many parts, each with a count of its own. */
const PARTS = 10

/** Counts the units that were spent in the last span: in the current tenth of a span and the nine before it. */
export class RecentSpending {
  private readonly counts = new Array<number>(PARTS).fill(0)
  /** Number of the newest part, counted from time 0. */
  private newest = Number.NEGATIVE_INFINITY

  constructor(private readonly span: Ms) {}

  /** Counts units that were asked for at a time; a negative number of units for a refund. */
  add(units: number, at: Ms): void {
    const part = this.partAt(at)
    this.advance(part)
    if (part <= this.newest - PARTS) return
    this.counts[slotOf(part)] = (this.counts[slotOf(part)] as number) + units
  }

  /** Returns the units spent in the last tenths of the span; by default in all of it. Negative if more were refunded. */
  within(now: Ms, tenths = PARTS): number {
    this.advance(this.partAt(now))
    let units = 0
    for (let age = 0; age < tenths; age++) units += this.counts[slotOf(this.newest - age)] as number
    return units
  }

  private partAt(time: Ms): number {
    return Math.floor((time * PARTS) / this.span)
  }

  private advance(part: number): void {
    if (part - this.newest >= PARTS) this.counts.fill(0)
    else for (let next = this.newest + 1; next <= part; next++) this.counts[slotOf(next)] = 0
    this.newest = Math.max(this.newest, part)
  }
}

function slotOf(part: number): number {
  return ((part % PARTS) + PARTS) % PARTS
}
