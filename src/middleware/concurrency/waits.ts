import type { Ms } from '../../core/duration.js'

/** Waiting times by context. In a module of its own, so that metrics and guards, which are loaded separately, share it. */
const waits = new WeakMap<object, Ms>()

/** Adds to the time that an update has waited for places. */
export function noteWait(ctx: object, ms: Ms): void {
  waits.set(ctx, waitOf(ctx) + ms)
}

/** Returns how long an update has waited for places; metrics do not count that as time taken by guards. */
export function waitOf(ctx: object): Ms {
  return waits.get(ctx) ?? 0
}
