import type { Clock, Timers } from '../core/clock.js'
import type { Ms } from '../core/duration.js'
import { endsWithRequests } from '../core/request-bound.js'

/** A call that waits for its turn. */
export interface Waiter {
  /** Calls are numbered as they are made: the lower goes first. */
  readonly number: number
  /** Until when it may wait. */
  readonly deadline: Ms
  readonly go: () => void
  /** It would have to wait for longer than it may. */
  readonly end: () => void
}

/** What all lanes have in common. */
export interface LaneShared {
  readonly clock: Clock
  readonly timers: Timers
  /** Told when nothing waits, is out or expected, and the lane is open: it may be forgotten. */
  readonly emptied: (lane: Lane) => void
}

/** So many at once are no longer held back by being counted. */
const WIDEST = 1024

/**
 * Calls that go one after the other, in the order they were made, and none before the lane opens again.
 *
 * There is a lane as long as one is closed or calls go through it. The lane of a whole bot widens as TCP does (RFC 5681): it begins with one
 * call, then twice as many each round, and from half of the width at which it was last refused, one more each round.
 *
 * Where calls end with the request that made them, whoever held a place might never give it back. There a lane only opens and closes.
 */
export class Lane {
  private openAt: Ms = Number.NEGATIVE_INFINITY
  /** By number. */
  private readonly waiting: Waiter[] = []
  private out = 0
  private expected = 0
  /** So many at once. */
  private width = 1
  /** Calls that succeeded since it became so wide. */
  private succeeded = 0
  /** Half of the width at which it was refused. */
  private threshold = WIDEST
  private disarm: (() => void) | undefined
  private readonly hasPlaces = !endsWithRequests()

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
    return this.waiting.length === 0 && this.out === 0 && this.expected === 0
  }

  /** Closes it until then, if it is not closed for longer already; whether that changed anything. */
  close(until: Ms): boolean {
    if (until <= this.openAt) return false
    // A call that is refused while the lane is closed was sent together with the one that closed it. For the width both count as one refusal.
    if (this.openAt > Number.NEGATIVE_INFINITY && this.opensIn === 0) {
      this.threshold = Math.max(1, Math.floor(this.width / 2))
      this.width = 1
      this.succeeded = 0
    }
    this.openAt = until
    this.disarm?.()
    this.disarm = undefined
    for (const waiter of this.waiting.filter(({ deadline }) => deadline < until)) waiter.end()
    this.advance()
    return true
  }

  /** Takes a place if there is one and nobody waits for it. */
  enter(): boolean {
    if (!this.hasPlaces) {
      if (this.opensIn > 0) return false
      // The lane may have opened without those who wait having been told.
      this.advance()
      return true
    }
    if (this.waiting.length > 0 || this.out >= this.width || this.opensIn > 0) return false
    this.out++
    return true
  }

  wait(waiter: Waiter): void {
    let at = this.waiting.length
    while (at > 0 && (this.waiting[at - 1] as Waiter).number > waiter.number) at--
    this.waiting.splice(at, 0, waiter)
    this.advance()
    if (!this.hasPlaces) this.wake(waiter)
  }

  /** By a timer of its own: the lane's may be of another request, which has ended. */
  private wake(waiter: Waiter): void {
    if (!this.waiting.includes(waiter)) return
    if (this.opensIn > 0) this.shared.timers.after(this.opensIn, () => this.wake(waiter))
    else this.advance()
  }

  /** So many more, or fewer, will come: it is not forgotten before. */
  expect(more: 1 | -1): void {
    this.expected += more
    if (more < 0) this.advance()
  }

  /** Lets one that waits go its way. */
  remove(waiter: Waiter): void {
    const at = this.waiting.indexOf(waiter)
    if (at >= 0) this.waiting.splice(at, 1)
    this.advance()
  }

  /** Gives a place back. */
  leave(succeeded: boolean): void {
    // Only a success in a full, open lane shows that a wider one may do: a call that ends while it is closed was let in before.
    if (succeeded && this.widens && this.out >= this.width && this.opensIn === 0) this.widen()
    if (this.hasPlaces) this.out--
    this.advance()
  }

  private widen(): void {
    if (this.width >= WIDEST || (++this.succeeded < this.width && this.width >= this.threshold)) return
    this.width++
    this.succeeded = 0
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
    while (!this.hasPlaces || this.out < this.width) {
      const next = this.waiting.shift()
      if (next === undefined) break
      if (this.hasPlaces) this.out++
      next.go()
    }
    if (this.idle) this.shared.emptied(this)
  }
}
