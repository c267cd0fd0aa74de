import type { Context } from 'grammy'
import { isPromise, type MaybePromise } from '../../core/check.js'
import { hasPassed } from './control.js'

const noOther = (): void => undefined

/**
 * Updates that a sentinel is at. Where it stands on two branches (`fork()`) and its storage answers later, the second use comes while the
 * first has not decided: it waits for that, or it would take the update for a duplicate of itself.
 */
export class UnderWay {
  /** What the first use of each gave. */
  private readonly entered = new WeakMap<Context, Promise<void>>()
  /** Told when the update is let in. */
  private readonly waiting = new Map<Context, (() => void)[]>()

  /** Whether anybody waits. */
  get isAwaited(): boolean {
    return this.waiting.size > 0
  }

  /** What the first use of the sentinel that keeps this tally gave: noted unless it has let the update in by now, or stopped it. */
  noted(ctx: Context, entered: MaybePromise<void>, tally: object): MaybePromise<void> {
    if (isPromise(entered) && !hasPassed(ctx, tally, noOther)) this.entered.set(ctx, entered)
    return entered
  }

  /** Fulfilled when the update has been let in, or the first use is through with it; undefined where there is none. */
  decided(ctx: Context): Promise<void> | undefined {
    const first = this.entered.get(ctx)
    if (first === undefined) return undefined
    return new Promise((done) => {
      const others = this.waiting.get(ctx)
      if (others !== undefined) {
        others.push(done)
        return
      }
      this.waiting.set(ctx, [done])
      const ended = (): void => {
        this.entered.delete(ctx)
        this.letIn(ctx)
      }
      first.then(ended, ended)
    })
  }

  letIn(ctx: Context): void {
    const told = this.waiting.get(ctx) ?? []
    this.waiting.delete(ctx)
    for (const tell of told) tell()
  }
}
