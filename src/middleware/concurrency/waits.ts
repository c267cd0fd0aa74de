import type { Ms } from '../../core/duration.js'

/** By context: in the module that all of this process share, since whoever measures is loaded by itself. */
const waits = new WeakMap<object, Ms>()

/** An update has waited for a place so long, once more perhaps. */
export function noteWait(ctx: object, ms: Ms): void {
  waits.set(ctx, waitOf(ctx) + ms)
}

/** How long an update has waited for places, which is no time that guards took. */
export function waitOf(ctx: object): Ms {
  return waits.get(ctx) ?? 0
}
