import type { Services } from '../services.js'

/** A guard of options that hold no longer, with updates that wait there. */
export interface Straggler {
  /** Lets nobody wait any more, and waits for those who do. */
  drain(): Promise<void>
}

/*
 * An update goes by the options that held when it came. Those that came before `guard.reconfigure()` may reach their guards long
 * after it, when the chain was drained once: nobody would know of them. All by events, which the chains of a sentinel share.
 */
const closing = new WeakSet<object>()
const stragglers = new WeakMap<object, Set<Straggler>>()

/** From now on nobody waits, whichever options held when they came. */
export function beginClosing({ events }: Pick<Services, 'events'>): void {
  closing.add(events)
}

export function isClosing({ events }: Pick<Services, 'events'>): boolean {
  return closing.has(events)
}

/** Those where somebody waits now. They come and go by themselves. */
export function stragglersOf({ events }: Pick<Services, 'events'>): Set<Straggler> {
  let all = stragglers.get(events)
  if (all === undefined) {
    all = new Set()
    stragglers.set(events, all)
  }
  return all
}
