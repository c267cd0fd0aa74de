import type { Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Lease, Refilled } from './lease.js'

/** The leases of one limit for one subject, and the demand for units. */
export class SubjectLeases {
  isLeasing = false
  /** No lease is requested before this time, because one was refused. */
  notBefore: Ms = Number.NEGATIVE_INFINITY
  /** What was left of the limit when the storage was last asked; 0 while unknown. */
  room = 0
  /** A refused lease request consumed a notice that belongs to an update. */
  owesNotice = false
  /** Incremented by every reset, which makes earlier leases worthless. */
  generation = 0
  /** Shared by all leases. */
  readonly refilled: Refilled = { due: 0 }
  private leases: { readonly lease: Lease; readonly callOff: () => void }[] = []
  private spanFrom: Ms = Number.NEGATIVE_INFINITY
  private inSpan = 0
  private inSpanBefore = 0

  /** The larger of the units asked for in this span and in the one before. */
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

  /** Takes units from a lease. Returns that lease, or undefined if none has enough. */
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
