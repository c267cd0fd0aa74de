import type { Context, NextFunction } from 'grammy'
import { type Decision, isPromise, type MaybePromise } from '../../core/check.js'
import type { Facts } from '../../core/facts.js'
import type { Settling } from '../chain/settling.js'
import type { Admission, Seat, Wired } from '../guard.js'
import type { Place } from './places.js'

/** A refusal, with how the guard that had no place answers. */
interface Unseated {
  readonly refusal: Admission
  readonly by: { readonly denial?: Wired<Context>['denial'] | undefined }
}

/** Places of all guards that count the update, or a refusal; undefined if no place is needed. */
export type Taken = Place | Unseated | undefined

/** Whether the update was refused a place. */
export function isUnseated(taken: Taken): taken is Unseated {
  return taken !== undefined && 'refusal' in taken
}

/** Takes places for an update from one guard after another; synchronously as long as places are free. */
export class Seating {
  constructor(
    private readonly guards: readonly Wired<Context>[],
    /** Called with what a guard in shadow mode would have refused. */
    private readonly shadow: (facts: Facts, ctx: Context, refusal: Admission) => void,
  ) {}

  take(facts: Facts, ctx: Context): MaybePromise<Taken> {
    return this.from(0, undefined, facts, ctx)
  }

  private from(from: number, held: Place | undefined, facts: Facts, ctx: Context): MaybePromise<Taken> {
    let places = held
    for (let i = from; i < this.guards.length; i++) {
      const guard = this.guards[i] as Wired<Context>
      const seat = guard.seat?.(facts, ctx, guard.shadow === true)
      if (isPromise(seat)) return this.afterWait(seat, i, places, facts, ctx)
      const taken = this.took(seat, guard, places, facts, ctx)
      if (isUnseated(taken)) return taken
      places = taken
    }
    return places
  }

  private async afterWait(
    waiting: Promise<Seat | undefined>,
    at: number,
    held: Place | undefined,
    facts: Facts,
    ctx: Context,
  ): Promise<Taken> {
    const taken = this.took(await waiting, this.guards[at] as Wired<Context>, held, facts, ctx)
    return isUnseated(taken) ? taken : this.from(at + 1, taken, facts, ctx)
  }

  private took(
    seat: Seat | undefined,
    guard: Wired<Context>,
    held: Place | undefined,
    facts: Facts,
    ctx: Context,
  ): Taken {
    if (seat === undefined) return held
    if ('leave' in seat) return held === undefined ? seat : both(held, seat)
    if (guard.shadow === true) {
      this.shadow(facts, ctx, seat)
      return held
    }
    held?.leave()
    return { refusal: seat, by: { denial: guard.denial } }
  }
}

function both(one: Place, other: Place): Place {
  return {
    leave() {
      one.leave()
      other.leave()
    },
  }
}

/** Runs the handlers, and leaves the place when they have ended. Returns what the handlers return. */
export function seated(
  place: Place | undefined,
  settling: Settling,
  next: NextFunction,
  decision: Decision | undefined,
  ctx: Context,
): MaybePromise<void> {
  if (place === undefined) return settling.run(next, decision, ctx)
  let handled: MaybePromise<void>
  try {
    handled = settling.run(next, decision, ctx)
  } catch (error) {
    place.leave()
    throw error
  }
  if (!isPromise(handled)) {
    place.leave()
    return handled
  }
  // `then` is called once only, because a handler may return a query that runs anew with each call of it. Its result is not used:
  // `then` of an object that is no promise may return nothing.
  return Promise.resolve(handled).then(
    (returned) => {
      place.leave()
      return returned
    },
    (error) => {
      place.leave()
      throw error
    },
  )
}
