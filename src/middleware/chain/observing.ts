import type { Context } from 'grammy'
import { isPromise, type MaybePromise } from '../../core/check.js'
import type { Facts } from '../../core/facts.js'
import type { Wired } from '../guard.js'

/** Shows an update to the guards that see all of them, one after the other; synchronously as long as nobody takes time. Never throws or rejects. */
export function observe<C extends Context>(
  observers: readonly Wired<C>[],
  facts: Facts,
  ctx: C,
  failed: (error: unknown, during: string) => void,
  from = 0,
): MaybePromise<void> {
  for (let i = from; i < observers.length; i++) {
    let observed: MaybePromise<void> | undefined
    try {
      observed = observers[i]?.observe?.(facts, ctx)
    } catch (error) {
      failed(error, 'observe')
      continue
    }
    // Observers return a promise only where somebody listens. The rest then wait, so that the order is kept.
    if (isPromise(observed)) return observeRest(observed, observers, facts, ctx, failed, i + 1)
  }
}

/* In a function of its own: a closure in the ordinary way would cost every update the allocation of what it captures. */
async function observeRest<C extends Context>(
  observed: Promise<void>,
  observers: readonly Wired<C>[],
  facts: Facts,
  ctx: C,
  failed: (error: unknown, during: string) => void,
  from: number,
): Promise<void> {
  try {
    await observed
  } catch (error) {
    failed(error, 'observe')
  }
  await observe(observers, facts, ctx, failed, from)
}
