import type { Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Lease, Refilled } from './lease.js'
import { RecentSpending } from './recent-spending.js'

/** After leases that ended unspent, the pause before the next is doubled at most this many times. */
const MOST_DOUBLINGS = 4

/** The leases of one limit for one subject, and what this worker has spent of it lately. */
export class SubjectLeases {
  /** Units of a lease that is being requested. */
  arriving = 0
  /** Units taken from leases for asks that are not decided yet. */
  undecided = 0
  /** No lease is requested before this time, because one was refused or ended unspent. */
  notBefore: Ms = Number.NEGATIVE_INFINITY
  /** What was left of the limit when the storage was last asked; 0 while unknown. */
  room = 0
  /** A refused lease request consumed a notice that belongs to an update. */
  owesNotice = false
  /** Incremented by every reset, which makes earlier leases worthless. */
  generation = 0
  /** Shared by all leases. */
  readonly refilled: Refilled = { due: 0 }
  spending: RecentSpending
  private leases: { readonly lease: Lease; readonly callOff: () => void }[] = []
  /** How many leases in a row ended unspent. */
  private wasted = 0

  constructor(private readonly span: Ms) {
    this.spending = new RecentSpending(span)
  }

  get units(): number {
    return this.leases.reduce((sum, { lease }) => sum + lease.units, 0)
  }

  get isIdle(): boolean {
    return this.leases.length === 0 && this.arriving === 0
  }

  /** Units that the storage has charged and that are not spent. */
  get held(): number {
    return this.units + this.undecided + this.arriving
  }

  unitsAt(now: Ms): number {
    let units = 0
    for (const { lease } of this.leases) if (lease.endsAt > now) units += lease.units
    return units
  }

  /** Takes units from a lease. Returns that lease, or undefined if none has enough. */
  take(units: number, now: Ms): Lease | undefined {
    for (const { lease } of this.leases) if (lease.take(units, now)) return lease
    return undefined
  }

  add(lease: Lease, timers: Timers, left: Ms): void {
    const entry = {
      lease,
      callOff: timers.after(left, () => {
        this.leases = this.leases.filter((each) => each !== entry)
        this.pause(lease)
        lease.end()
      }),
    }
    this.leases.push(entry)
  }

  /** Gives back all leases if more is held than was spent lately, as may be after refunds. */
  giveBackExcess(now: Ms): void {
    if (this.held > this.spending.within(now)) this.end()
  }

  end(): void {
    const { leases } = this
    this.leases = []
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
    this.spending = new RecentSpending(this.span)
    for (const { lease, callOff } of leases) {
      callOff()
      lease.drop()
    }
  }

  /** A lease that ends unspent has cost round trips and saved none, and so would the next: updates come too far apart. */
  private pause({ units, size, endsAt }: Lease): void {
    if (units < size) {
      this.wasted = 0
      return
    }
    this.wasted = Math.min(this.wasted + 1, MOST_DOUBLINGS)
    this.notBefore = Math.max(this.notBefore, endsAt + this.span * 2 ** this.wasted)
  }
}
