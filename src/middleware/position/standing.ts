import type { Context, NextFunction } from 'grammy'
import type { MaybePromise } from '../../core/check.js'
import type { Chain } from '../pipeline.js'

/** A guard where it stands in a chain, as nobody but its maker knows it. */
interface Standing {
  /** Names its state there. */
  readonly name: string
  /** In how many places of fused composers it stands. */
  places: number
  /** Whether updates came to it by itself: outside fused composers it stands where nobody has counted. */
  alone: boolean
  /** Has those that are asked together with it go on without it. */
  leave: ((root: Chain<Context>) => void) | undefined
}

const standings = new WeakMap<object, Standing>()

/** Notes a guard that keeps its state in no services of its own, and which has been given no name that holds for what is beside it. */
export function noteStanding(guard: object, name: string): void {
  standings.set(guard, { name, places: 0, alone: false, leave: undefined })
}

/** How a guard stands; undefined for what is none, or is known by another name. */
export function standingOf(given: unknown): Standing | undefined {
  return typeof given === 'function' ? standings.get(given) : undefined
}

/** An update comes to a guard by itself, behind a sentinel. It is one limit wherever it stands, so from now on nobody is asked with it. */
export function standsAlone(guard: object, root: Chain<Context> | undefined): void {
  const standing = standings.get(guard)
  if (standing === undefined || root === undefined) return
  standing.alone = true
  standing.leave?.(root)
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
