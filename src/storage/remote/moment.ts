import type { Ms } from '../../core/duration.js'

/**
 * The time of one chain if the caller passes it (tests, injected clocks). It never goes back: when the clock does, this time
 * stays the same at that moment and then continues at the clock's pace. Storages that use their server's clock do the same on the
 * server.
 */
export class ToldMoment {
  private offset = 0
  private lastClock = Number.NEGATIVE_INFINITY

  /** Sets the time for an ask that writes, and returns the chain's own time. */
  advance(at: Ms): Ms {
    const clock = Math.floor(at)
    if (clock < this.lastClock) this.offset += this.lastClock - clock
    this.lastClock = clock
    return this.now
  }

  /** Whether a time was ever passed. */
  get told(): boolean {
    return this.lastClock !== Number.NEGATIVE_INFINITY
  }

  /** The chain's own time, as last set. */
  get now(): Ms {
    return this.lastClock + this.offset
  }

  /** Returns the time for an ask that writes nothing. */
  at(at: Ms): Ms {
    return Math.max(Math.floor(at), this.lastClock) + this.offset
  }
}
