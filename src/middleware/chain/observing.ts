import type { Context } from 'grammy'
import { isPromise, type MaybePromise } from '../../core/check.js'
import type { Facts } from '../../core/facts.js'
import type { Wired } from '../guard.js'

/** Calls the observers of guards one after another; synchronously as long as they are synchronous. Never throws or rejects. */
export function observe(
  observers: readonly Wired<Context>[],
  facts: Facts,
  ctx: Context,
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
    // Observers return a promise only if handlers are registered. The other observers then wait, to keep the order.
    if (isPromise(observed)) return observeRest(observed, observers, facts, ctx, failed, i + 1)
  }
}

/* A function of its own: a closure in the synchronous path would make every update allocate what the closure captures. */
async function observeRest(
  observed: Promise<void>,
  observers: readonly Wired<Context>[],
  facts: Facts,
  ctx: Context,
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
