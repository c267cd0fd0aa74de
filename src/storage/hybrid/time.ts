import type { Ask, Judge, MaybePromise, Plan } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { ToldMoment } from '../remote/moment.js'

/**
 * The time of the plans of one name, if callers pass it. The storage does not see asks that are answered here, so it is given
 * their time before a call with an earlier time, or a settlement, could make its own time lag behind.
 */
export class ToldTime {
  private readonly moment = new ToldMoment()
  /** The time of the latest ask answered here, if the storage was not asked since. */
  private skippedTo: Ms | undefined
  /** The time last passed, as it was passed. */
  last = Number.NEGATIVE_INFINITY
  /** Whether the clock went back with the last ask, which the storage must see. */
  wentBack = false

  advance(at: Ms): Ms {
    this.wentBack = at < this.last
    this.last = at
    return this.moment.advance(at)
  }

  /** The time last passed, which never goes back. */
  get now(): Ms {
    return this.moment.now
  }

  skip(at: Ms | undefined): void {
    if (at !== undefined) this.skippedTo = at
  }

  /** Gives the storage the skipped time before it decides; `at` is undefined for settlements. */
  catchUp(inner: Judge, plan: Plan, bot: number, at: Ms | undefined): MaybePromise<unknown> {
    const { skippedTo } = this
    this.skippedTo = undefined
    if (skippedTo === undefined || (at !== undefined && at >= skippedTo)) return undefined
    return inner.evaluate(nothing(plan, bot), skippedTo)
  }

  /** As `catchUp()`, before a peek, which does not advance the storage's time. */
  catchUpToPeek(inner: Judge, plan: Plan, bot: number, at: Ms | undefined): MaybePromise<unknown> {
    const { skippedTo } = this
    if (skippedTo === undefined || (at !== undefined && at >= skippedTo)) return undefined
    return this.catchUp(inner, plan, bot, at)
  }
}

/** Returns an ask that leaves out every check and so only passes the time. */
function nothing({ scopes, checks }: Plan, bot: number): Ask {
  return { bot, subjects: scopes.map(() => undefined), costs: checks.map(() => 0), tokens: [] }
}
