import type { Context } from 'grammy'
import type { Wiring } from '../guard.js'

/** Bursts of replaced options, some of which still wait or run. */
export interface Elder {
  /** Whether anything of a key waits or runs. */
  has(key: string): boolean
  /** Fulfilled as soon as nothing of a key waits or runs. */
  ended(key: string): Promise<void>
}

/*
 * Each `guard.reconfigure()` creates new bursts, but the messages of a user must still be handled in order. The sets are kept by
 * events object, which the chains of a sentinel share, as for the stragglers of concurrency.
 */
const elders = new WeakMap<object, Map<string, Set<Elder>>>()

/**
 * Returns the replaced bursts of one place (in front of one handler, or of the whole bot), in the order in which they were
 * replaced. Each waits only for those before it, so that none wait for each other. Bursts in front of other handlers are
 * independent.
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
