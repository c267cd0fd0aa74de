import type { Clock, Timers } from '../../src/core/clock.js'

interface Timer {
  readonly at: number
  readonly run: () => void
}

/** A clock and timers that move when told; timers that are due fire in order. */
export class HandTime {
  now = 1_700_000_000_000
  /** Timers set so far. */
  armed = 0
  private readonly waiting = new Set<Timer>()

  readonly clock: Clock = () => this.now

  readonly timers: Timers = {
    after: (ms, run) => {
      const timer = { at: this.now + ms, run }
      this.waiting.add(timer)
      this.armed++
      return () => this.waiting.delete(timer)
    },
  }

  /** The number of timers that have not fired. */
  get pending(): number {
    return this.waiting.size
  }

  pass(ms: number): void {
    const end = this.now + ms
    for (;;) {
      const due = [...this.waiting].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.waiting.delete(due)
      this.now = Math.max(this.now, due.at)
      due.run()
    }
    this.now = end
  }
}
