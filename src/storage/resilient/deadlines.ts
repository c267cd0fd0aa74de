import type { MaybePromise } from '../../core/check.js'
import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { endsWithRequests, setIfAllowed } from '../../core/request-bound.js'
import { noDecision } from '../decisions.js'

/** The timer went off this much late: the process itself stood still, and answers may lie unread. */
const LATE: Ms = 25
/** Who has been waited for so much longer than that is waited for by nobody: the request has ended, and its timer with it. */
const LOST: Ms = 60_000

/** Something that is waited for, until a moment. */
export abstract class Deadline {
  due: Ms = 0
  /** In the order of coming, which is the order of falling due. */
  before: Deadline | undefined
  after: Deadline | undefined
  waiting = false

  /** It was waited for in vain. */
  abstract expire(): void
}

/**
 * Deadlines that are all equally far: the first to come is the first to fall due, so one timer does for any number of
 * them. It is armed while somebody waits, and nothing is kept of what was answered in time.
 *
 * Where timers end with the request that set them, each has one of its own.
 */
export class Deadlines {
  private first: Deadline | undefined
  private last: Deadline | undefined
  private callOff: (() => void) | undefined
  private patient = false
  private readonly own = endsWithRequests() ? new Map<Deadline, () => void>() : undefined
  size = 0

  constructor(
    readonly span: Ms,
    private readonly clock: Clock,
    private readonly timers: Timers,
  ) {}

  add(deadline: Deadline): void {
    deadline.due = this.clock() + this.span
    deadline.waiting = true
    deadline.before = this.last
    if (this.last === undefined) this.first = deadline
    else this.last.after = deadline
    this.last = deadline
    this.size++
    if (this.own !== undefined) this.armOwn(this.own, deadline)
    else if (this.callOff === undefined) this.arm(this.span)
  }

  /** Takes one away; whether it was still waited for. */
  meet(deadline: Deadline): boolean {
    if (!deadline.waiting) return false
    if (this.own !== undefined) {
      this.own.get(deadline)?.()
      this.own.delete(deadline)
    }
    const { before, after } = deadline
    if (before === undefined) this.first = after
    else before.after = after
    if (after === undefined) this.last = before
    else after.before = before
    deadline.waiting = false
    deadline.before = undefined
    deadline.after = undefined
    this.size--
    return true
  }

  /** Lets all of them expire now. */
  clear(): void {
    this.callOff?.()
    this.callOff = undefined
    for (let next = this.first; next !== undefined; next = this.first) this.end(next)
  }

  private armOwn(own: Map<Deadline, () => void>, deadline: Deadline): void {
    const callOff = setIfAllowed(this.timers, this.span, () => this.end(deadline))
    own.set(deadline, callOff)
    // Of nobody's waiting nothing is to be kept, and nobody is to blame.
    for (let old = this.first; old !== undefined && old.due + LOST < deadline.due; old = this.first)
      this.meet(old)
  }

  private arm(span: Ms): void {
    this.callOff = this.timers.after(span, this.fire)
  }

  private readonly fire = (): void => {
    this.callOff = undefined
    if (this.first === undefined) return
    const now = this.clock()
    if (!this.patient && now - this.first.due > LATE) {
      // One turn of the event loop, in which what has arrived is read: whoever answered in time is not to blame.
      this.patient = true
      this.arm(1)
      return
    }
    this.patient = false
    let next: Deadline | undefined = this.first
    for (; next !== undefined && next.due <= now; next = this.first) this.end(next)
    // A clock that was put back must not make anybody wait for longer than the span.
    if (next !== undefined) this.arm(Math.max(1, Math.min(this.span, next.due - now)))
  }

  private end(deadline: Deadline): void {
    this.meet(deadline)
    deadline.expire()
  }
}

/** An answer that did not come in time. */
export class TimedOut extends Error {
  override readonly name = 'TimedOut'
  readonly code = 'TIMEOUT'

  constructor(span: Ms) {
    super(`no answer within ${span} ms`)
  }
}

/**
 * A call that is waited for, but not for ever. Of one an update there are many, so it is one object, and what becomes of it
 * are methods.
 */
export abstract class Call<T> extends Deadline {
  private fulfil!: (value: MaybePromise<T>) => void
  private reject!: (error: unknown) => void

  constructor(protected readonly deadlines: Deadlines) {
    super()
  }

  wait(answer: Promise<T>): Promise<T> {
    const waiting = new Promise<T>((fulfil, reject) => {
      this.fulfil = fulfil
      this.reject = reject
    })
    answer.then(
      (value) => this.arrive(value),
      (error) => {
        if (this.deadlines.meet(this)) this.end(error)
      },
    )
    this.deadlines.add(this)
    return waiting
  }

  /** It was answered in time. */
  protected abstract answered(): void
  /** It failed or took too long: what to give instead, or throw. */
  protected abstract failed(error: unknown): MaybePromise<T>
  /** Whether what was answered is an answer. */
  protected isSound(_value: T): boolean {
    return true
  }
  /** It was answered after all, when something else had been given instead. */
  protected late(_value: T): void {}

  override expire(): void {
    this.end(new TimedOut(this.deadlines.span))
  }

  private arrive(value: T): void {
    if (!this.deadlines.meet(this)) {
      if (this.isSound(value)) this.late(value)
      return
    }
    if (!this.isSound(value)) {
      this.end(noDecision())
      return
    }
    this.answered()
    this.fulfil(value)
  }

  private end(error: unknown): void {
    try {
      this.fulfil(this.failed(error))
    } catch (other) {
      this.reject(other)
    }
  }
}

/** A call that rejects when it fails or takes too long, and of which nobody is told. */
export class BoundedCall<T> extends Call<T> {
  protected override answered(): void {}

  protected override failed(error: unknown): never {
    throw error
  }
}
