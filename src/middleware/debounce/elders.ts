import type { House } from '../house.js'

/** Bursts of options that hold no longer, of which some still wait or run. */
export interface Elder {
  /** Whether anything of a key does. */
  has(key: string): boolean
  /** Fulfilled as soon as nothing of a key does. */
  ended(key: string): Promise<void>
}

/*
 * Each `guard.reconfigure()` makes bursts anew. Whoever talks to the bot does not know: what they say after it still follows what they
 * said before. By events, which the chains of a sentinel share, as stragglers of concurrency are.
 */
const elders = new WeakMap<object, Set<Elder>>()

/** In the order in which other options took their place: each waits for those before it alone, so that none wait for each other. */
export function eldersOf({ events }: Pick<House, 'events'>): Set<Elder> {
  let all = elders.get(events)
  if (all === undefined) {
    all = new Set()
    elders.set(events, all)
  }
  return all
}
