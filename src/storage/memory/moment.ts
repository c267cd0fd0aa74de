import type { Ms } from '../../core/duration.js'

/**
 * The time of one chain, passed on from plan to plan. It counts from the first ask, so that a double has a resolution of
 * nanoseconds and the arithmetic of limits stays exact. It never goes back: when the clock does, this time stays the same at that
 * moment and then continues at the clock's pace.
 *
 * Also holds the time of the current ask, because passing a double between functions may allocate it.
 */
export class Moment {
  now = 0
  /** Numbers admissions. Only the admission that took a claim may settle it. */
  serial = 0
  private started = false
  private offset = 0
  /** Infinite until the first ask, so that a single comparison detects both the first ask and a clock that went back. */
  private lastClock = Number.POSITIVE_INFINITY

  /** Sets the time for an ask that writes. */
  advance(at: Ms): void {
    const clock = Math.floor(at)
    if (clock < this.lastClock) {
      this.offset = this.started ? this.offset + this.lastClock - clock : -clock
      this.started = true
    }
    this.lastClock = clock
    this.now = clock + this.offset
  }

  /** Returns the time for an ask that writes nothing. */
  at(at: Ms): Ms {
    return this.started ? Math.max(Math.floor(at), this.lastClock) + this.offset : 0
  }
}
