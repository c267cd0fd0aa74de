import type { Context, NextFunction } from 'grammy'
import type { MaybePromise } from '../../core/check.js'
import { later } from '../../core/later.js'
import { rootOf } from '../chain/control.js'
import type { Guard } from '../guard.js'
import type { Neighbours } from './neighbours.js'

/** A guard where it stands in a chain, as nobody but its maker knows it. */
interface Standing {
  /** Names its state there. */
  readonly name: string
  /** In how many places of fused composers it stands. */
  places: number
}

const standings = new WeakMap<object, Standing>()
const joining = later('fuse', () => import('./neighbours.js'))

/** Notes a guard whose state is in no house of its own, and which has been given no name that holds for what is beside it. */
export function noteStanding(guard: object, name: string): void {
  standings.set(guard, { name, places: 0 })
}

/** How a guard stands that {@link withNeighboursJoined} has found. */
export function standingOf(guard: Guard): Readonly<Standing> {
  return standings.get(guard) as Standing
}

export type Step = (ctx: Context, next: NextFunction) => unknown

/** What stands in one call, with neighbours that are guards made one, which asks them together. */
export function withNeighboursJoined(given: readonly unknown[]): unknown[] {
  const joined: unknown[] = []
  let beside: Guard[] = []
  const end = (): void => {
    joined.push(...(beside.length > 1 ? [joinedOf(beside)] : beside))
    beside = []
  }
  for (const each of given) {
    const standing = typeof each === 'function' ? standings.get(each) : undefined
    if (standing === undefined) {
      end()
      joined.push(each)
    } else {
      standing.places++
      beside.push(each as Guard)
    }
  }
  end()
  return joined
}

/** Alone they keep their state in memory, each its own: nothing is to be saved. Behind a sentinel they are neighbours. */
function joinedOf(guards: readonly Guard[]): Step {
  // Now rather than with the first update, which would wait for it. Who fails here is told then.
  joining.load().catch(() => undefined)
  let neighbours: Neighbours | undefined
  return (ctx, next) => {
    const root = rootOf(ctx)
    if (root === undefined) return walk(guards, 0, ctx, next)
    if (neighbours !== undefined) return neighbours.run(root, ctx, next)
    return joining.load().then(
      ({ Neighbours }) => {
        neighbours ??= new Neighbours(guards)
        return neighbours.run(root, ctx, next)
      },
      (error: unknown) => {
        root.failed(error, 'fuse')
        return walk(guards, 0, ctx, next)
      },
    )
  }
}

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
