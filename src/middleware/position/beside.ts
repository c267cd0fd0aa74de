import { later } from '../../core/later.js'
import { rootOf } from '../chain/control.js'
import type { Guard } from '../guard.js'
import type { Neighbours } from './neighbours.js'
import { type Step, standingOf, walk } from './standing.js'

const joining = later('fuse', () => import('./neighbours.js'))

/** What stands in one call, with neighbours that are guards made one, which asks them together. */
export function withNeighboursJoined(given: readonly unknown[]): unknown[] {
  const joined: unknown[] = []
  let beside: Guard[] = []
  const end = (): void => {
    joined.push(...(beside.length > 1 ? [joinedOf(beside)] : beside))
    beside = []
  }
  for (const each of given) {
    const standing = standingOf(each)
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
