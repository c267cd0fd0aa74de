import type { Ask, Judge, MaybePromise, Plan } from '../../core/check.js'
import { type Clock, steadyClock, systemClock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { ToldMoment } from '../remote/moment.js'

/**
 * The time of the plans of one name, where callers tell it. What is answered here the storage does not hear of, so it is told
 * the time before it could go back behind what callers were told, or settles by it.
 */
export class ToldTime {
  private readonly moment = new ToldMoment()
  /** The latest ask that was answered here, if the storage was asked nothing since. */
  private skippedTo: Ms | undefined
  private last = Number.NEGATIVE_INFINITY
  /** Whether the clock went back with the last ask: the storage must see that. */
  wentBack = false

  advance(at: Ms): Ms {
    this.wentBack = at < this.last
    this.last = at
    return this.moment.advance(at)
  }

  /** The time as it was last told. */
  get now(): Ms {
    return this.moment.now
  }

  skip(at: Ms | undefined): void {
    if (at !== undefined) this.skippedTo = at
  }

  /** Before the storage decides as of a moment; of settlements, of none. */
  catchUp(inner: Judge, plan: Plan, bot: number, at: Ms | undefined): MaybePromise<unknown> {
    const { skippedTo } = this
    this.skippedTo = undefined
    if (skippedTo === undefined || (at !== undefined && at >= skippedTo)) return undefined
    return inner.evaluate(nothing(plan, bot), skippedTo)
  }

  /** Before it is asked what it would decide: that tells it no time. */
  catchUpToPeek(inner: Judge, plan: Plan, bot: number, at: Ms | undefined): MaybePromise<unknown> {
    const { skippedTo } = this
    if (skippedTo === undefined || (at !== undefined && at >= skippedTo)) return undefined
    return this.catchUp(inner, plan, bot, at)
  }
}

/** An ask that leaves out every check: it tells the time. */
function nothing({ scopes, checks }: Plan, bot: number): Ask {
  return { bot, subjects: scopes.map(() => undefined), costs: checks.map(() => 0), tokens: [] }
}

/** A machine that slept has a wall clock so much ahead. */
const SLEPT: Ms = 1000

/**
 * Tells how much time has passed, and never too little: a clock that is never set, pushed ahead when the machine has slept,
 * which such a clock does not count. What is remembered or leased ends early rather than late.
 */
export function wakefulClock(steady: Clock = steadyClock, wall: Clock = systemClock): Clock {
  let slept = 0
  let ahead = wall() - steady()
  return () => {
    const now = steady()
    const difference = wall() - now
    if (difference > ahead + SLEPT) slept += difference - ahead
    if (difference > ahead + SLEPT || difference < ahead) ahead = difference
    return now + slept
  }
}
