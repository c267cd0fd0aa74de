import type { Context, NextFunction } from 'grammy'
import type { MaybePromise } from '../../core/check.js'
import type { Chain } from '../pipeline.js'

/** What is known of a guard's positions in fused composers. */
interface GuardPositions {
  /** Names the guard's state. */
  readonly name: string
  /** The number of its positions in fused composers. */
  places: number
  /** Whether updates reached it on its own: it then also stands outside of fused composers, where positions are not counted. */
  alone: boolean
  /** Separates the guard from those that are asked together with it. */
  leave: ((root: Chain) => void) | undefined
}

const registered = new WeakMap<object, GuardPositions>()

/** Registers a guard without services and without an explicit name, so that it may be asked together with its neighbours. */
export function registerGuard(guard: object, name: string): void {
  registered.set(guard, { name, places: 0, alone: false, leave: undefined })
}

/** Returns the positions of a guard; undefined if the value is not a registered guard. */
export function positionsOf(given: unknown): GuardPositions | undefined {
  return typeof given === 'function' ? registered.get(given) : undefined
}

/**
 * Called when an update reaches a guard on its own behind a sentinel. The guard is one limit everywhere, so it is asked alone
 * from now on.
 */
export function noteUsedAlone(guard: object, root: Chain | undefined): void {
  const positions = registered.get(guard)
  if (positions === undefined || root === undefined) return
  positions.alone = true
  positions.leave?.(root)
}

export type Step = (ctx: Context, next: NextFunction) => unknown

/** Runs steps one after another. */
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
