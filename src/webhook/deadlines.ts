import type { Timers } from '../core/clock.js'
import type { Ms } from '../core/duration.js'

/** Something with a deadline. */
export interface Due {
  dueAt: Ms
  earlier: Due | undefined
  later: Due | undefined
  callOff: (() => void) | undefined
  /** Called when the deadline has passed. */
  late(): void
}

/** Watches the deadlines of everything under way. */
export interface Watch {
  begin(due: Due): void
  /** Ends the watch, also if the deadline has passed already. Idempotent. */
  end(due: Due): void
}

/**
 * Watches all deadlines with one timer: everything gets the same time, so deadlines pass in the order in which they began. One
 * timer for each would cost more than the rest of the bookkeeping.
 */
export class Deadlines implements Watch {
  private first: Due | undefined
  private last: Due | undefined
  private callOff: (() => void) | undefined

  constructor(
    private readonly span: Ms,
    private readonly clock: () => Ms,
    private readonly timers: Timers,
  ) {}

  begin(due: Due): void {
    due.dueAt = this.clock() + this.span
    due.earlier = this.last
    if (this.last === undefined) this.first = due
    else this.last.later = due
    this.last = due
    if (this.callOff === undefined) this.arm(this.span)
  }

  end(due: Due): void {
    if (due.earlier === undefined) {
      if (this.first !== due) return
      this.first = due.later
    } else due.earlier.later = due.later
    if (due.later === undefined) this.last = due.earlier
    else due.later.earlier = due.earlier
    due.earlier = undefined
    due.later = undefined
  }

  /** Cancels the timer. To be called when nothing is under way. */
  stop(): void {
    this.callOff?.()
    this.callOff = undefined
  }

  private arm(after: Ms): void {
    this.callOff = this.timers.after(after, () => this.look())
  }

  private look(): void {
    this.callOff = undefined
    const now = this.clock()
    for (let due = this.first; due !== undefined; due = this.first) {
      if (due.dueAt > now) {
        this.arm(due.dueAt - now)
        return
      }
      this.end(due)
      due.late()
    }
  }
}

/** Uses a timer for each deadline, for platforms such as workers where a timer belongs to the request that set it. */
export class OwnDeadlines implements Watch {
  constructor(
    private readonly span: Ms,
    private readonly clock: () => Ms,
    private readonly timers: Timers,
  ) {}

  begin(due: Due): void {
    due.dueAt = this.clock() + this.span
    due.callOff = this.timers.after(this.span, () => {
      due.callOff = undefined
      due.late()
    })
  }

  end(due: Due): void {
    due.callOff?.()
    due.callOff = undefined
  }
}
