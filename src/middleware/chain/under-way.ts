import type { Context } from 'grammy'
import { isPromise, type MaybePromise } from '../../core/check.js'
import { hasPassed } from './control.js'

const noOther = (): void => undefined

/**
 * Updates that a sentinel is deciding. If the sentinel stands on two branches (`fork()`) and its storage is asynchronous, the
 * second pass of an update comes before the first is decided. It waits for the first, which it would otherwise take for a
 * duplicate.
 */
export class UnderWay {
  /**
   * The context's property for the promise of the first pass; null if the update passes without a decision. Stored in the context
   * because a map of all updates being decided would cost each update of a remote storage a tenth of its time.
   */
  private readonly entered = Symbol('first use')
  /** Callbacks for when the update is admitted. */
  private readonly waiting = new Map<Context, (() => void)[]>()

  /** Whether any pass waits. */
  get isAwaited(): boolean {
    return this.waiting.size > 0
  }

  /**
   * Stores the promise of the first pass, unless that pass has already admitted or stopped the update. `tally` identifies the
   * sentinel.
   */
  noted(ctx: Context, entered: MaybePromise<void>, tally: object): MaybePromise<void> {
    const noting = ctx as Noting
    if (isPromise(entered) && noting[this.entered] !== null && !hasPassed(ctx, tally, noOther))
      noting[this.entered] = entered
    return entered
  }

  /** Called for an update that passes without a decision: present and later passes need not wait. */
  passes(ctx: Context): void {
    const noting = ctx as Noting
    noting[this.entered] = null
    this.letIn(ctx)
  }

  /** Fulfilled when the update was admitted, or when its first pass has ended; undefined if no pass is under way. */
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
