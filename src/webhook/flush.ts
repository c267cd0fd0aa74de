import type { Unfinished } from '../middleware/chain/closing.js'

/**
 * Handles what guards hold back now, and waits for this and for other background work: notices, answers, hooks. The sentinel
 * stays open for other requests and bots.
 *
 * @param rounds Limits the wait: under steady traffic other requests always have background work under way. A request waits for
 *   work under way and, with two rounds, for the work that this starts.
 */
export async function flush({ services, chain, draining }: Unfinished, rounds?: number): Promise<void> {
  for (;;) {
    const fired = chain.within.flatMap(({ plan }) => plan.wired.flatMap((wired) => wired.fire?.() ?? []))
    if (fired.length === 0) break
    // Updates that are handled now may be held back again by a guard downstream.
    await Promise.all(fired)
  }
  await Promise.all(draining.keys())
  await services.background.drain(rounds)
  // Last, because a failure above is emitted as an event, which may start more hooks.
  await services.hooksAside.drain(rounds)
}
