import type { NextFunction } from 'grammy'
import { inThisContext } from '../../core/asynchronous-context.js'
import type { MaybePromise } from '../../core/check.js'

/** An update that a guard holds back, and its ways to the handlers: one for each branch on which the guard stands. */
export class Held {
  /** Undefined once the handlers have begun. */
  private ways: NextFunction[] | undefined

  constructor(first: NextFunction) {
    this.ways = [first]
  }

  /** Adds a branch; nobody waits for it. If the handlers have begun already, the branch is handled at once. */
  join(next: NextFunction): MaybePromise<void> {
    if (this.ways === undefined) return next()
    const within = inThisContext<void>()
    this.ways.push(() => within(next))
  }

  /**
   * Runs the handlers of all branches at once, and waits for all: the next burst must not begin beside any of them. Throws what
   * the first branch throws that fails.
   */
  readonly run = async (): Promise<void> => {
    const { ways = [] } = this
    this.ways = undefined
    const ended = await Promise.allSettled(ways.map(async (next) => next()))
    for (const each of ended) if (each.status === 'rejected') throw each.reason
  }
}
