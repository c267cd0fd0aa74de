import type { Clock, Timers } from './clock.js'
import type { Ms } from './duration.js'
import { endsWithRequests, setIfAllowed } from './request-bound.js'

/** A timer later than this means that the process was blocked; what was waited for may have happened unnoticed. */
const LATE: Ms = 25
/** Where timers end with their request, a deadline overdue by this much belongs to a request that has ended. */
const LOST: Ms = 60_000

/** Something that is waited for until a point in time. */
export abstract class Deadline {
  due: Ms = 0
  /** Neighbours in the order of adding, which is also the order of falling due. */
  before: Deadline | undefined
  after: Deadline | undefined
  waiting = false
  /** Cancels its own timer, if it has one. */
  callOff: (() => void) | undefined

  /** Called when the time is over. */
  abstract expire(): void
}

/**
 * Deadlines that all have the same span. The first added is the first to fall due, so one timer serves any number of them. The
 * timer is set while something is waited for; nothing is kept of what ended in time.
 *
 * In runtimes where timers end with the request that set them, every deadline has its own timer.
 */
export class Deadlines {
  private first: Deadline | undefined
  private last: Deadline | undefined
  private callOff: (() => void) | undefined
  private patient = false
  private readonly mayBeLost = endsWithRequests()
  size = 0

  constructor(
    readonly span: Ms,
    private readonly clock: Clock,
    private readonly timers: Timers,
    /** Whether every deadline has a timer of its own. */
    private readonly apart = endsWithRequests(),
  ) {}

  add(deadline: Deadline): void {
    deadline.due = this.clock() + this.span
    deadline.waiting = true
    deadline.before = this.last
    if (this.last === undefined) this.first = deadline
    else this.last.after = deadline
    this.last = deadline
    this.size++
    if (this.apart) this.armOwn(deadline)
    else if (this.callOff === undefined) this.arm(this.span)
  }

  /** Removes a deadline. Returns whether it was still waited for. */
  meet(deadline: Deadline): boolean {
    const { callOff } = deadline
    callOff?.()
    deadline.callOff = undefined
    // Forgotten, but not expired: its request was alive after all, and waits for it.
    if (!deadline.waiting) return callOff !== undefined
    this.unlink(deadline)
    return true
  }

  private unlink(deadline: Deadline): void {
    const { before, after } = deadline
    if (before === undefined) this.first = after
    else before.after = after
    if (after === undefined) this.last = before
    else after.before = before
    deadline.waiting = false
    deadline.before = undefined
    deadline.after = undefined
    this.size--
  }

  /** Expires all deadlines now. */
  clear(): void {
    this.callOff?.()
    this.callOff = undefined
    for (let next = this.first; next !== undefined; next = this.first) this.end(next)
  }

  private armOwn(deadline: Deadline): void {
    deadline.callOff = setIfAllowed(this.timers, this.span, () => this.end(deadline))
    if (!this.mayBeLost) return
    // Forget deadlines of requests that have ended, without expiring them: nothing waits for them any longer. Their timers are not
    // cancelled: if the process only stood still, the request lives on, and its timer still fires.
    const lost = deadline.due - this.span - LOST
    for (let old = this.first; old !== undefined && old.due < lost; old = this.first) this.unlink(old)
  }

  private arm(span: Ms): void {
    this.callOff = this.timers.after(span, this.fire)
  }

  private readonly fire = (): void => {
    this.callOff = undefined
    if (this.first === undefined) return
    const now = this.clock()
    if (!this.patient && now - this.first.due > LATE) {
      // Wait one turn of the event loop, in which answers that arrived in time are read.
      this.patient = true
      this.arm(1)
      return
    }
    this.patient = false
    let next: Deadline | undefined = this.first
    for (; next !== undefined && next.due <= now; next = this.first) this.end(next)
    // If the clock went back, `next.due` may be far away; never wait longer than the span.
    if (next !== undefined) this.arm(Math.max(1, Math.min(this.span, next.due - now)))
  }

  private end(deadline: Deadline): void {
    this.meet(deadline)
    deadline.expire()
  }
}
