import { later } from '../../core/later.js'
import { rootOf } from '../chain/control.js'
import type { Guard } from '../guard.js'
import type { Neighbours } from './neighbours.js'
import { type Step, standingOf, walk } from './standing.js'

const joining = later('fuse', () => import('./neighbours.js'))

/** Returns the arguments of one registration with adjacent guards joined into one step, which asks them together. */
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

/**
 * Joins guards. Without a sentinel each keeps its own state in memory, so there is nothing to save and they run one after
 * another.
 */
function joinedOf(guards: readonly Guard[]): Step {
  // Loads now, so that the first update need not wait for it. A failure is reported when an update needs the module.
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
        root.services.failed(error, 'fuse')
        return walk(guards, 0, ctx, next)
      },
    )
  }
}
