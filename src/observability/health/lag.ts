import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'

/** Between two looks. */
const EVERY: Ms = 500
/** Looks that are remembered: half a minute's. */
const LOOKS = 60

/**
 * How late the event loop is: a timer is set again and again, and what it comes too late by is the time that nobody else could have
 * had. Remembered for half a minute, since whoever asks is only heard when it is over.
 */
export class Lag {
  private readonly late: Ms[] = []
  private expected: Ms
  private callOff: () => void
  private stopped = false

  constructor(
    private readonly steady: Clock,
    private readonly timers: Timers,
  ) {
    this.expected = steady() + EVERY
    this.callOff = timers.after(EVERY, this.look)
  }

  /** The worst of late; what is overdue now counts, while anything is due. */
  get most(): Ms {
    const overdue = this.stopped ? 0 : this.steady() - this.expected
    return Math.max(0, overdue, ...this.late)
  }

  /** Looks no more: nothing is late from then on. */
  stop(): void {
    this.stopped = true
    this.late.length = 0
    this.callOff()
  }

  private readonly look = (): void => {
    const now = this.steady()
    this.late.push(Math.max(0, now - this.expected))
    if (this.late.length > LOOKS) this.late.shift()
    this.expected = now + EVERY
    this.callOff = this.timers.after(EVERY, this.look)
  }
}
