import type { Clock, Timers } from '../core/clock.js'
import type { Ms } from '../core/duration.js'
import { endsWithRequests } from '../core/request-bound.js'

/** A call that waits in a lane. */
export interface Waiter {
  /** Sequence number of the call; lower numbers go first. */
  readonly number: number
  /** The latest time until which it may wait. */
  readonly deadline: Ms
  readonly go: () => void
  /** Called when it would have to wait beyond its deadline. */
  readonly end: () => void
}

/** What all lanes of a sender share. */
export interface LaneShared {
  readonly clock: Clock
  readonly timers: Timers
  /** Called when the lane is open and has no calls waiting, running or expected, and may be discarded. */
  readonly emptied: (lane: Lane) => void
}

/** Largest width of a lane; beyond it, limiting has no effect in practice. */
const WIDEST = 1024

/**
 * A queue for calls that go one after the other, in the order in which they were made, and only while the lane is open.
 *
 * A lane exists only while it is closed or calls pass through it. The lanes of a whole bot and of a method widen as TCP does
 * (RFC 5681): they start with one call at a time and double each round; from half the width at which it was last refused, a lane
 * grows by one each round.
 *
 * On platforms where calls end with the request that made them, a call might never give its place back. There a lane has no
 * places: it only opens and closes.
 */
export class Lane {
  private openAt: Ms = Number.NEGATIVE_INFINITY
  /** Sorted by number. */
  private readonly waiting: Waiter[] = []
  private out = 0
  private expected = 0
  /** Whether no call was within the limits since the lane was last closed. */
  isUnproven = false
  /** How many calls may run at a time. */
  private width = 1
  /** Calls within the limits since the width last changed. */
  private accepted = 0
  /** Half the width at which the lane was last refused. */
  private threshold = WIDEST
  private disarm: (() => void) | undefined
  private readonly hasPlaces = !endsWithRequests()

  constructor(
    readonly key: string,
    private readonly widens: boolean,
    private readonly shared: LaneShared,
  ) {}

  /** How long until the lane opens; 0 if it is open. */
  get opensIn(): Ms {
    return Math.max(0, this.openAt - this.shared.clock())
  }

  get idle(): boolean {
    return this.waiting.length === 0 && this.out === 0 && this.expected === 0
  }

  /** Closes the lane until a time, unless it is closed for longer already; returns whether that changed anything. */
  close(until: Ms): boolean {
    if (until <= this.openAt) return false
    // A call refused while the lane is closed was sent together with the one that closed it. For the width both count as one refusal.
    if (this.openAt > Number.NEGATIVE_INFINITY && this.opensIn === 0) {
      this.threshold = Math.max(1, Math.floor(this.width / 2))
      this.width = 1
      this.accepted = 0
    }
    this.openAt = until
    this.isUnproven = true
    this.disarm?.()
    this.disarm = undefined
    for (const waiter of this.waiting.filter(({ deadline }) => deadline < until)) waiter.end()
    this.advance()
    return true
  }

  /** Takes a place if one is free and no call waits for it; returns whether it did. */
  enter(): boolean {
    if (!this.hasPlaces) {
      if (this.opensIn > 0) return false
      // The lane may have opened before its timer could release the waiting calls.
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

  /** Uses a timer of the call's own request: the lane's timer may belong to a request that has ended. */
  private wake(waiter: Waiter): void {
    if (!this.waiting.includes(waiter)) return
    if (this.opensIn > 0) this.shared.timers.after(this.opensIn, () => this.wake(waiter))
    else this.advance()
  }

  /** Announces a future call, or withdraws it: the lane is not discarded while calls are expected. */
  expect(more: 1 | -1): void {
    this.expected += more
    if (more < 0) this.advance()
  }

  /** Removes a waiting call. */
  remove(waiter: Waiter): void {
    const at = this.waiting.indexOf(waiter)
    if (at >= 0) this.waiting.splice(at, 1)
    this.advance()
  }

  /** Gives a place back, after a call that was within the limits or not. */
  leave(accepted: boolean): void {
    // Only an accepted call in a full, open lane suggests that more fit. A call that ends while the lane is closed was admitted earlier.
    if (accepted && this.opensIn === 0) {
      this.isUnproven = false
      if (this.widens && this.out >= this.width) this.widen()
    }
    if (this.hasPlaces) this.out--
    this.advance()
  }

  private widen(): void {
    if (this.width >= WIDEST || (++this.accepted < this.width && this.width >= this.threshold)) return
    this.width++
    this.accepted = 0
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
    // A late timer must not act for a discarded lane, since a new lane of the same key may exist.
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
