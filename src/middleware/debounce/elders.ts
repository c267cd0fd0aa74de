import type { Context } from 'grammy'
import type { Wiring } from '../guard.js'

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
const elders = new WeakMap<object, Map<string, Set<Elder>>>()

/**
 * In the order in which other options took their place: each waits for those before it alone, so that none wait for each other. Those
 * in front of one handler, or of the whole bot: what is held in front of another is nobody's forerunner.
 */
export function eldersOf({
  services: { events },
  place = '',
}: Pick<Wiring<Context>, 'services' | 'place'>): Set<Elder> {
  const places = elders.get(events) ?? new Map<string, Set<Elder>>()
  elders.set(events, places)
  const all = places.get(place) ?? new Set()
  places.set(place, all)
  return all
}
