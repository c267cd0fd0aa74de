import type { Context, NextFunction } from 'grammy'
import { type Decision, isPromise, type MaybePromise, type Settlement } from '../../core/check.js'
import type { Preparation } from './preparation.js'

/** Tells the storage how admissions ended. */
export class Settling {
  constructor(
    private readonly prepared: Preparation,
    /** Whether any check wants to know that handlers threw; that they did not. */
    private readonly released: boolean,
    private readonly leased: boolean,
    private readonly failed: (error: unknown, during: string) => void,
    /** Told of updates whose handlers threw, and which may come again. */
    private readonly unhandled: (ctx: Context) => void,
  ) {}

  /**
   * Runs the handlers, and settles by how they end. Whoever waits for the handlers waits for them alone; but what they threw comes after
   * the release, or the update would come again while its claim is held, and be lost. Storages answer in time, or are given up.
   */
  run(next: NextFunction, decision: Decision | undefined, ctx: Context): MaybePromise<void> {
    return decision !== undefined && (this.released || this.leased)
      ? this.watched(next, decision, ctx)
      : next()
  }

  /** Never rejects. */
  settle(decision: Decision | undefined, how: Settlement): MaybePromise<void> {
    if (decision?.receipt === undefined || (how === 'complete' && !this.leased)) return
    try {
      const settled = this.prepared.judge?.settle(decision.receipt, how)
      if (isPromise(settled)) return settled.catch((error) => this.failed(error, 'storage.settle'))
    } catch (error) {
      this.failed(error, 'storage.settle')
    }
  }

  private watched(next: NextFunction, decision: Decision, ctx: Context): MaybePromise<void> {
    // A handler that is wrapped need not be asynchronous.
    let handled: MaybePromise<void>
    try {
      handled = next()
    } catch (error) {
      return this.release(decision, ctx, error)
    }
    if (!isPromise(handled)) {
      this.settle(decision, 'complete')
      return handled
    }
    // Nobody waits for it to be known that it is done.
    const completed = this.leased ? (): void => void this.settle(decision, 'complete') : undefined
    return handled.then(completed, (error) => this.release(decision, ctx, error))
  }

  private release(decision: Decision, ctx: Context, error: unknown): Promise<never> {
    const released = this.settle(decision, 'release')
    this.unhandled(ctx)
    if (!isPromise(released)) throw error
    return released.then(() => {
      throw error
    })
  }
}
