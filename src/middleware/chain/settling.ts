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

  /** Runs the handlers, and settles by how they end. Nobody waits for it: whoever waits for the handlers waits for them alone. */
  run(next: NextFunction, decision: Decision | undefined, ctx: Context): MaybePromise<void> {
    return decision !== undefined && (this.released || this.leased)
      ? this.watched(next, decision, ctx)
      : next()
  }

  settle(decision: Decision | undefined, how: Settlement): void {
    if (decision?.receipt === undefined || (how === 'complete' && !this.leased)) return
    try {
      const settled = this.prepared.judge?.settle(decision.receipt, how)
      if (isPromise(settled)) settled.catch((error) => this.failed(error, 'storage.settle'))
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
      this.release(decision, ctx)
      throw error
    }
    if (!isPromise(handled)) {
      this.settle(decision, 'complete')
      return handled
    }
    handled.then(this.leased ? () => this.settle(decision, 'complete') : undefined, () =>
      this.release(decision, ctx),
    )
    return handled
  }

  private release(decision: Decision, ctx: Context): void {
    this.settle(decision, 'release')
    this.unhandled(ctx)
  }
}
