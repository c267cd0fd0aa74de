import type { Ms } from '../../core/duration.js'

/**
 * The time of one chain where the caller tells it (tests, injected clocks). It never goes back: when the clock does,
 * time stands still for that moment and goes on from there at the clock's pace. A storage that reads its server's
 * clock keeps the same promise on the server.
 */
export class ToldMoment {
  private offset = 0
  private lastClock = Number.NEGATIVE_INFINITY

  /** The chain's own time, for an ask that writes. */
  advance(at: Ms): Ms {
    const clock = Math.floor(at)
    if (clock < this.lastClock) this.offset += this.lastClock - clock
    this.lastClock = clock
    return this.now
  }

  /** Whether anybody has told it the time. */
  get told(): boolean {
    return this.lastClock !== Number.NEGATIVE_INFINITY
  }

  /** The chain's own time as it was last told. */
  get now(): Ms {
    return this.lastClock + this.offset
  }

  /** What the time would be, for an ask that writes nothing. */
  at(at: Ms): Ms {
    return Math.max(Math.floor(at), this.lastClock) + this.offset
  }
}
