import type { Context } from 'grammy'
import { isPromise, type MaybePromise } from '../../core/check.js'
import { hasPassed } from './control.js'

const noOther = (): void => undefined

/**
 * Updates that a sentinel is at. Where it stands on two branches (`fork()`) and its storage answers later, the second use comes while the
 * first has not decided: it waits for that, or it would take the update for a duplicate of itself.
 */
export class UnderWay {
  /**
   * Where a context keeps what the first use of it gave: null once it goes its way without a decision. In the context, since a map of all
   * that is under way would cost each update of a storage elsewhere a tenth of its time.
   */
  private readonly entered = Symbol('first use')
  /** Told when the update is let in. */
  private readonly waiting = new Map<Context, (() => void)[]>()

  /** Whether anybody waits. */
  get isAwaited(): boolean {
    return this.waiting.size > 0
  }

  /** What the first use of the sentinel that keeps this tally gave: noted unless it has let the update in by now, or stopped it. */
  noted(ctx: Context, entered: MaybePromise<void>, tally: object): MaybePromise<void> {
    const noting = ctx as Noting
    if (isPromise(entered) && noting[this.entered] !== null && !hasPassed(ctx, tally, noOther))
      noting[this.entered] = entered
    return entered
  }

  /** Nothing is decided about it: whoever waits, or comes after it, need not. */
  passes(ctx: Context): void {
    const noting = ctx as Noting
    noting[this.entered] = null
    this.letIn(ctx)
  }

  /** Fulfilled when the update has been let in, or the first use is through with it; undefined where there is none. */
  decided(ctx: Context): Promise<void> | undefined {
    const noting = ctx as Noting
    const first = noting[this.entered]
    if (first === undefined || first === null) return undefined
    return new Promise((done) => {
      const others = this.waiting.get(ctx)
      if (others !== undefined) {
        others.push(done)
        return
      }
      this.waiting.set(ctx, [done])
      const ended = (): void => {
        noting[this.entered] = undefined
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

type Noting = Context & Record<symbol, Promise<void> | null | undefined>
