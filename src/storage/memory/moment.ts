import type { Ms } from '../../core/duration.js'

/**
 * The time of one chain, handed on from plan to plan. It counts from the first ask, so that a double resolves it to
 * some nanoseconds and the arithmetic of limits stays exact; and it never goes back: when the clock does, time
 * stands still for that moment and goes on from there at the clock's pace.
 *
 * The time of the ask at hand is held here, since passing a double from call to call allocates it anew.
 */
export class Moment {
  now = 0
  /** Numbers admissions, so that only who took a claim may settle it. */
  serial = 0
  private started = false
  private offset = 0
  /** Above all clocks until the first ask, so that one comparison finds both the first and those that go back. */
  private lastClock = Number.POSITIVE_INFINITY

  /** Reads the clock for an ask that writes. */
  advance(at: Ms): void {
    const clock = Math.floor(at)
    if (clock < this.lastClock) {
      this.offset = this.started ? this.offset + this.lastClock - clock : -clock
      this.started = true
    }
    this.lastClock = clock
    this.now = clock + this.offset
  }

  /** What the time would be, for an ask that writes nothing. */
  at(at: Ms): Ms {
    return this.started ? Math.max(Math.floor(at), this.lastClock) + this.offset : 0
  }
}
