import type { Context, NextFunction } from 'grammy'
import { type Decision, isPromise, type MaybePromise, type Settlement } from '../../core/check.js'
import type { Preparation } from './preparation.js'

/** Reports to the storage how admissions ended. */
export class Settling {
  constructor(
    private readonly prepared: Preparation,
    /** Whether any check needs to know that handlers threw (`released`) or that they finished (`leased`). */
    private readonly released: boolean,
    private readonly leased: boolean,
    private readonly failed: (error: unknown, during: string) => void,
    /** Called with updates whose handlers threw, and which may be redelivered. */
    private readonly unhandled: (ctx: Context) => void,
  ) {}

  /**
   * Runs the handlers, and settles the admission by how they end. The caller only waits for the handlers. But an exception is
   * passed on after the release: otherwise the update could be redelivered while its claim is still held, and would be lost. That
   * wait is bounded, since storages have time-outs.
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
    // A wrapped handler may be synchronous.
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
    // Nobody waits for the settlement.
    // Around a function, what its handler returns is passed on.
    const completed = this.leased
      ? <T>(returned: T): T => {
          this.settle(decision, 'complete')
          return returned
        }
      : undefined
    return handled.then<void>(completed, (error) => this.release(decision, ctx, error))
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
