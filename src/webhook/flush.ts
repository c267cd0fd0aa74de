import type { Unfinished } from '../middleware/chain/closing.js'

/**
 * Has what guards hold back handled now, and waits for that and for all else that no update waits for: notices, answers, hooks. The
 * sentinel goes on as before: another request may be under way, or another bot.
 *
 * @param rounds Under steady traffic something is always under way, of others: a request waits for what is, and for what that begins, and
 *   no further.
 */
export async function flush({ services, chain, draining }: Unfinished, rounds?: number): Promise<void> {
  for (;;) {
    const fired = chain.within.flatMap(({ questions }) =>
      questions.wired.flatMap((wired) => wired.fire?.() ?? []),
    )
    if (fired.length === 0) break
    // What is handled now may be held back again, by a guard further down.
    await Promise.all(fired)
  }
  await Promise.all(draining.keys())
  await services.background.drain(rounds)
  // Last, since a failure above is told as an event, for which more hooks may run.
  await services.hooksAside.drain(rounds)
}
