import { later, madeLater, preload } from '../../core/later.js'
import { rootOf } from '../chain/control.js'
import type { Guard } from '../guard.js'
import type { Chain } from '../pipeline.js'
import { positionsOf, type Step, walk } from './guard-positions.js'

const joining = later('fuse', () => import('./adjacent-guards.js'))

/** Returns the arguments of one registration with adjacent guards joined into one step, which asks them together. */
export function withAdjacentJoined(given: readonly unknown[]): unknown[] {
  const joined: unknown[] = []
  let beside: Guard[] = []
  const end = (): void => {
    joined.push(...(beside.length > 1 ? [joinedOf(beside)] : beside))
    beside = []
  }
  for (const each of given) {
    const positions = positionsOf(each)
    if (positions === undefined) {
      end()
      joined.push(each)
    } else {
      positions.places++
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
  preload(joining)
  const adjacent = madeLater(joining, ({ AdjacentGuards }) => new AdjacentGuards(guards))
  return (ctx, next) => {
    const root = rootOf<Chain>(ctx)
    if (root === undefined) return walk(guards, 0, ctx, next)
    const { now } = adjacent
    if (now !== undefined) return now.run(root, ctx, next)
    return adjacent.load().then(
      (loaded) => loaded.run(root, ctx, next),
      (error: unknown) => {
        root.services.failed(error, 'fuse')
        return walk(guards, 0, ctx, next)
      },
    )
  }
}
