import type { Context, NextFunction } from 'grammy'
import type { MaybePromise } from '../../core/check.js'

/** A guard where it stands in a chain, as nobody but its maker knows it. */
interface Standing {
  /** Names its state there. */
  readonly name: string
  /** In how many places of fused composers it stands. */
  places: number
}

const standings = new WeakMap<object, Standing>()

/** Notes a guard whose state is in no house of its own, and which has been given no name that holds for what is beside it. */
export function noteStanding(guard: object, name: string): void {
  standings.set(guard, { name, places: 0 })
}

/** How a guard stands; undefined for what is none, or is known by another name. */
export function standingOf(given: unknown): Standing | undefined {
  return typeof given === 'function' ? standings.get(given) : undefined
}

export type Step = (ctx: Context, next: NextFunction) => unknown

/** One after the other. */
export function walk(
  steps: readonly Step[],
  from: number,
  ctx: Context,
  next: NextFunction,
): MaybePromise<void> {
  const step = steps[from]
  if (step === undefined) return next()
  return step(ctx, async () => walk(steps, from + 1, ctx, next)) as MaybePromise<void>
}
