import type { NextFunction } from 'grammy'
import { type Decision, isPromise, type MaybePromise, type Settlement } from '../core/check.js'
import type { Preparation } from './preparation.js'

/** Tells the storage how admissions ended. */
export class Settling {
  constructor(
    private readonly prepared: Preparation,
    /** Whether any check wants to know that handlers threw; that they did not. */
    private readonly released: boolean,
    private readonly leased: boolean,
    private readonly failed: (error: unknown, during: string) => void,
  ) {}

  /** Runs the handlers, and settles by how they end. Nobody waits for it: whoever waits for the handlers waits for them alone. */
  run(next: NextFunction, decision: Decision | undefined): MaybePromise<void> {
    return decision !== undefined && (this.released || this.leased) ? this.watched(next, decision) : next()
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

  private watched(next: NextFunction, decision: Decision): MaybePromise<void> {
    // A handler that is wrapped need not be asynchronous.
    let handled: MaybePromise<void>
    try {
      handled = next()
    } catch (error) {
      this.settle(decision, 'release')
      throw error
    }
    if (!isPromise(handled)) {
      this.settle(decision, 'complete')
      return handled
    }
    handled.then(this.leased ? () => this.settle(decision, 'complete') : undefined, () =>
      this.settle(decision, 'release'),
    )
    return handled
  }
}
