import type { Clock, Timers } from '../core/clock.js'
import type { Ms } from '../core/duration.js'

/** A call that waits for its turn. */
export interface Waiter {
  /** Calls are numbered as they are made: the lower goes first. */
  readonly number: number
  readonly go: () => void
}

/** What all lanes have in common. */
export interface LaneShared {
  readonly clock: Clock
  readonly timers: Timers
  /** Told when nothing waits, nothing is out and the lane is open: it may be forgotten. */
  readonly emptied: (lane: Lane) => void
}

/** So many at once are no longer held back by being counted. */
const WIDEST = 1024

/**
 * Calls that go one after the other, in the order they were made, and none before the lane opens again.
 *
 * There is a lane as long as one is closed or calls go through it. The lane of a whole bot starts slowly: one call, then with each
 * that succeeds twice as many at once.
 */
export class Lane {
  private openAt: Ms = Number.NEGATIVE_INFINITY
  /** By number. */
  private readonly waiting: Waiter[] = []
  private out = 0
  private width = 1
  private disarm: (() => void) | undefined

  constructor(
    readonly key: string,
    private readonly widens: boolean,
    private readonly shared: LaneShared,
  ) {}

  /** How long until it opens; 0 where it is open. */
  get opensIn(): Ms {
    return Math.max(0, this.openAt - this.shared.clock())
  }

  get idle(): boolean {
    return this.waiting.length === 0 && this.out === 0
  }

  /** Closes it until then, if it is not closed for longer already; whether that changed anything. */
  close(until: Ms): boolean {
    if (until <= this.openAt) return false
    this.openAt = until
    this.width = 1
    this.disarm?.()
    this.disarm = undefined
    this.advance()
    return true
  }

  /** Takes a place if there is one and nobody waits for it. */
  enter(): boolean {
    if (this.waiting.length > 0 || this.out >= this.width || this.opensIn > 0) return false
    this.out++
    return true
  }

  wait(waiter: Waiter): void {
    let at = this.waiting.length
    while (at > 0 && (this.waiting[at - 1] as Waiter).number > waiter.number) at--
    this.waiting.splice(at, 0, waiter)
    this.advance()
  }

  /** Lets one that waits go its way. */
  remove(waiter: Waiter): void {
    const at = this.waiting.indexOf(waiter)
    if (at >= 0) this.waiting.splice(at, 1)
    this.advance()
  }

  /** Gives a place back. */
  leave(succeeded: boolean): void {
    this.out--
    if (succeeded && this.widens) this.width = Math.min(WIDEST, 2 * this.width)
    this.advance()
  }

  private advance(): void {
    const wait = this.opensIn
    if (wait > 0) {
      this.disarm ??= this.shared.timers.after(wait, () => {
        this.disarm = undefined
        this.advance()
      })
      return
    }
    // A timer that is late must not speak for a lane that was forgotten meanwhile: there may be another of its name.
    this.disarm?.()
    this.disarm = undefined
    while (this.out < this.width) {
      const next = this.waiting.shift()
      if (next === undefined) break
      this.out++
      next.go()
    }
    if (this.idle) this.shared.emptied(this)
  }
}
