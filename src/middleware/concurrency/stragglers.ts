import type { Services } from '../services.js'

/** A replaced guard in which updates still wait. */
export interface Straggler {
  /** Lets no further update wait, and waits for those that do. */
  drain(): Promise<void>
}

/*
 * An update is decided by the options in force when it came. An update from before `guard.reconfigure()` may reach its guards
 * after their chain was drained, so those guards register here. Keyed by the events object, which the chains of a sentinel share.
 */
const closing = new WeakSet<object>()
const stragglers = new WeakMap<object, Set<Straggler>>()

/** Lets no update wait from now on, whichever options it is decided by. */
export function beginClosing({ events }: Pick<Services, 'events'>): void {
  closing.add(events)
}

export function isClosing({ events }: Pick<Services, 'events'>): boolean {
  return closing.has(events)
}

/** Returns the replaced guards in which updates wait now. They add and remove themselves. */
export function stragglersOf({ events }: Pick<Services, 'events'>): Set<Straggler> {
  let all = stragglers.get(events)
  if (all === undefined) {
    all = new Set()
    stragglers.set(events, all)
  }
  return all
}
