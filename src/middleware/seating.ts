import type { Context } from 'grammy'
import { isPromise, type MaybePromise } from '../core/check.js'
import type { Facts } from '../core/facts.js'
import type { Admission, Seat, Wired } from './guard.js'
import type { Place } from './places.js'

/** Places that an update has taken, or the guard that had none. */
export type Taken<C extends Context> =
  | readonly Place[]
  | { readonly refusal: Admission; readonly by: Wired<C> }

/** Takes places for updates, one guard after the other; synchronously as long as there are any. */
export class Seating<C extends Context> {
  constructor(
    private readonly guards: readonly Wired<C>[],
    /** Told what a guard in shadow would have refused. */
    private readonly shadow: (facts: Facts, ctx: C, refusal: Admission) => void,
  ) {}

  take(facts: Facts, ctx: C): MaybePromise<Taken<C>> {
    return this.from(0, [], facts, ctx)
  }

  private from(from: number, places: Place[], facts: Facts, ctx: C): MaybePromise<Taken<C>> {
    for (let i = from; i < this.guards.length; i++) {
      const guard = this.guards[i] as Wired<C>
      const seat = guard.seat?.(facts, ctx, guard.shadow === true)
      if (isPromise(seat)) {
        return seat.then(
          (given) => this.took(given, guard, places, facts, ctx) ?? this.from(i + 1, places, facts, ctx),
        )
      }
      const refused = this.took(seat, guard, places, facts, ctx)
      if (refused !== undefined) return refused
    }
    return places
  }

  private took(
    seat: Seat | undefined,
    guard: Wired<C>,
    places: Place[],
    facts: Facts,
    ctx: C,
  ): Taken<C> | undefined {
    if (seat === undefined) return undefined
    if ('leave' in seat) {
      places.push(seat)
      return undefined
    }
    if (guard.shadow === true) {
      this.shadow(facts, ctx, seat)
      return undefined
    }
    leaveAll(places)
    return { refusal: seat, by: guard }
  }
}

/** Runs handlers, and leaves the places when they have ended. Nobody waits for that but whoever waits for the handlers. */
export function seated(places: readonly Place[], run: () => MaybePromise<void>): MaybePromise<void> {
  let handled: MaybePromise<void>
  try {
    handled = run()
  } catch (error) {
    leaveAll(places)
    throw error
  }
  if (!isPromise(handled)) {
    leaveAll(places)
    return handled
  }
  const leave = (): void => leaveAll(places)
  handled.then(leave, leave)
  return handled
}

/** Leaves places. */
export function leaveAll(places: readonly Place[]): void {
  for (const place of places) place.leave()
}
