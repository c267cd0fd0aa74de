import type { Timers } from '../core/clock.js'
import type { Ms } from '../core/duration.js'

/** Something that has so long and no longer. */
export interface Due {
  dueAt: Ms
  earlier: Due | undefined
  later: Due | undefined
  callOff: (() => void) | undefined
  /** Its time is up. */
  late(): void
}

/** Watches the time of what is under way. */
export interface Watch {
  begin(due: Due): void
  /** It was in time, or is late already. Idempotent. */
  end(due: Due): void
}

/**
 * One timer for all that is under way: each has the same time, so they are due in the order in which they began. A timer of its
 * own for each would cost more than the rest of its administration.
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

  /** Lets go of the timer, once nothing is under way. */
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

/** A timer each, for where a timer belongs to the request that set it, as on workers. */
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
