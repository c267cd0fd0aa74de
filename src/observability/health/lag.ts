import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'

/** Time between two measurements. */
const EVERY: Ms = 500
/** Number of measurements to remember: half a minute. */
const LOOKS = 60

/**
 * Measures the delay of the event loop: how much later than set a timer fires. Delays are remembered for half a minute, because a
 * health check is not answered before the delay is over.
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

  /** The longest delay within the last half minute, including that of a timer that is overdue now. */
  get most(): Ms {
    const overdue = this.stopped ? 0 : this.steady() - this.expected
    return Math.max(0, overdue, ...this.late)
  }

  /** Stops measuring; from then on the delay is 0. */
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
