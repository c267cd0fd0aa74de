import type { Ask } from '../../core/check.js'

/** Makes asks that leave some checks of a plan out. Storages compare lists of costs by identity, so equal costs share one list. */
export class WithoutChecks {
  private readonly lists = new WeakMap<readonly number[], Map<number, readonly number[]>>()

  /** Returns the ask without the checks whose bits are set in `skipped`. */
  of(ask: Ask, skipped: number): Ask {
    let lists = this.lists.get(ask.costs)
    if (lists === undefined) {
      lists = new Map()
      this.lists.set(ask.costs, lists)
    }
    let costs = lists.get(skipped)
    if (costs === undefined) {
      costs = ask.costs.map((cost, index) => ((skipped & (1 << index)) === 0 ? cost : 0))
      lists.set(skipped, costs)
    }
    return { ...ask, costs }
  }
}
