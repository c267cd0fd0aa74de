import type { Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Lease, Refilled } from './lease.js'

/** What is leased of one limit for one subject, and how much is asked for. */
export class Held {
  isLeasing = false
  /** Refused a lease, the limit is not asked for one before this. */
  notBefore: Ms = Number.NEGATIVE_INFINITY
  /** What was left of the limit when it was last asked; 0 as long as nobody knows. */
  room = 0
  /** A lease that was refused has taken a notice that belongs to an update. */
  owesNotice = false
  /** Rises with every reset: what was taken before is worth nothing. */
  generation = 0
  /** Of all leases together. */
  readonly refilled: Refilled = { due: 0 }
  private leases: { readonly lease: Lease; readonly callOff: () => void }[] = []
  private spanFrom: Ms = Number.NEGATIVE_INFINITY
  private inSpan = 0
  private inSpanBefore = 0

  /** Units asked for in a span, by this one and the one before. */
  get demand(): number {
    return Math.max(this.inSpan, this.inSpanBefore)
  }

  get units(): number {
    return this.leases.reduce((sum, { lease }) => sum + lease.units, 0)
  }

  get isIdle(): boolean {
    return this.leases.length === 0 && !this.isLeasing
  }

  unitsAt(now: Ms): number {
    let units = 0
    for (const { lease } of this.leases) if (lease.endsAt > now) units += lease.units
    return units
  }

  asked(units: number, now: Ms, span: Ms): void {
    if (now - this.spanFrom >= span || now < this.spanFrom) {
      this.inSpanBefore = now - this.spanFrom < span * 2 && now >= this.spanFrom ? this.inSpan : 0
      this.inSpan = 0
      this.spanFrom = now
    }
    this.inSpan += units
  }

  /** The lease that paid, if one did. */
  take(units: number, now: Ms): Lease | undefined {
    for (const { lease } of this.leases) if (lease.take(units, now)) return lease
    return undefined
  }

  add(lease: Lease, timers: Timers, span: Ms): void {
    const entry = {
      lease,
      callOff: timers.after(span, () => {
        this.leases = this.leases.filter((each) => each !== entry)
        lease.end()
      }),
    }
    this.leases.push(entry)
  }

  end(): void {
    const { leases } = this
    this.leases = []
    this.generation++
    for (const { lease, callOff } of leases) {
      callOff()
      lease.end()
    }
  }

  drop(): void {
    const { leases } = this
    this.leases = []
    this.generation++
    this.room = 0
    for (const { lease, callOff } of leases) {
      callOff()
      lease.drop()
    }
  }
}
