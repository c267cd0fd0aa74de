import type { Context, NextFunction } from 'grammy'
import { type Decision, isPromise, type MaybePromise, type Settlement } from '../../core/check.js'
import type { ChainPlan } from './chain-plan.js'
import type { Preparation } from './preparation.js'
import { decidedBy } from './redelivery/redeliveries.js'

/** Reports to the storage how admissions ended. */
export class Settling {
  /** By decision, on how many branches its handlers run; not a number once those of a branch have thrown. Only with leases. */
  private readonly running = new WeakMap<Decision, number>()

  constructor(
    readonly prepared: Preparation,
    private readonly plan: Pick<ChainPlan, 'released' | 'leased'>,
    private readonly failed: (error: unknown, during: string) => void,
    /** Called with updates whose handlers threw, and which may be redelivered. Must neither throw nor reject. */
    private readonly unhandled: (ctx: Context, decision: Decision) => MaybePromise<unknown>,
  ) {}

  /**
   * Runs the handlers, and settles the admission by how they end. The caller only waits for the handlers. But an exception is
   * passed on after the release: otherwise the update could be redelivered while its claim is still held, and would be lost. That
   * wait is bounded, since storages have time-outs.
   */
  run(next: NextFunction, decision: Decision | undefined, ctx: Context): MaybePromise<void> {
    return decision !== undefined && (this.plan.released || this.plan.leased)
      ? this.watched(next, decision, ctx)
      : next()
  }

  /** Never rejects. */
  settle(decision: Decision | undefined, how: Settlement): MaybePromise<void> {
    if (decision?.receipt === undefined || (how === 'complete' && !this.plan.leased)) return
    try {
      const { prepared } = decidedBy(decision, this)
      const settled = prepared.judge?.settle(decision.receipt, how)
      if (isPromise(settled)) return settled.catch((error) => this.failed(error, 'storage.settle'))
    } catch (error) {
      this.failed(error, 'storage.settle')
    }
  }

  private watched(next: NextFunction, decision: Decision, ctx: Context): MaybePromise<void> {
    this.ranMore(decision, 1)
    // A wrapped handler may be synchronous.
    let handled: MaybePromise<void>
    try {
      handled = next()
    } catch (error) {
      return this.release(decision, ctx, error)
    }
    if (!isPromise(handled)) {
      this.completed(decision)
      return handled
    }
    // Around a function, what its handler returns is passed on.
    const completed = this.plan.leased
      ? <T>(returned: T): T => {
          this.completed(decision)
          return returned
        }
      : undefined
    // `then` of an object that is no promise may return nothing.
    return Promise.resolve(handled).then<void>(completed, (error) => this.release(decision, ctx, error))
  }

  /** Completes the admission when the handlers of all branches have ended. Nobody waits for the settlement. */
  private completed(decision: Decision): void {
    if (this.ranMore(decision, -1) === 0) this.settle(decision, 'complete')
  }

  private ranMore(decision: Decision, more: number): number | undefined {
    if (!this.plan.leased) return undefined
    const running = (this.running.get(decision) ?? 0) + more
    this.running.set(decision, running)
    return running
  }

  private release(decision: Decision, ctx: Context, error: unknown): Promise<never> {
    this.ranMore(decision, Number.NaN)
    const released = this.settle(decision, 'release')
    const noted = this.unhandled(ctx, decision)
    if (!isPromise(released) && !isPromise(noted)) throw error
    return Promise.all([released, noted]).then(() => {
      throw error
    })
  }
}
