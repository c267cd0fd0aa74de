import type { Context, NextFunction } from 'grammy'
import type { Update } from 'grammy/types'
import { type Check, isPromise, type MaybePromise } from '../../core/check.js'
import { handleAlso, hasPassed } from './control.js'
import { Held } from './held.js'

/**
 * What became of an update at its first use of a guard. The first pass may still be under way (its promise, or `seating` once the
 * update is admitted and only waits for a place); or the update `passed`, was `stopped`, or is held back.
 */
type Outcome = Promise<void> | 'seating' | 'passed' | 'stopped' | Held

/**
 * Judges each update once, however often it comes to a guard: a sentinel may stand on two branches (`fork()`), and a guard in front
 * of several handlers. The outcome of the first use holds for the others.
 */
export class FirstUses {
  /**
   * The context's property for the outcome; undefined for an update that has not come yet, and for most that were admitted.
   * Stored in the context because a map of all updates being decided would cost each update of a remote storage a tenth of its
   * time.
   */
  private readonly outcome = Symbol('first use')
  /**
   * Callbacks for when the first pass of an update has an outcome. By update, since a plugin may give a branch a context of its own
   * that inherits from the first.
   */
  private readonly waiting = new Map<Update, (() => void)[]>()

  /** Whether any pass waits. */
  get isAwaited(): boolean {
    return this.waiting.size > 0
  }

  /** Whether an outcome is stored for the update. */
  has(ctx: Context): boolean {
    return (ctx as Noting)[this.outcome] !== undefined
  }

  /** Stores an outcome, for passes that wait and those to come. */
  note(ctx: Context, outcome: Outcome): void {
    ;(ctx as Noting)[this.outcome] = outcome
    if (this.isAwaited) this.wake(ctx)
  }

  /**
   * Stores the outcome of the first pass from what it returned, unless it is stored already or the update was admitted. `by`
   * identifies the guard, see {@link hasPassed}.
   */
  noted(ctx: Context, entered: MaybePromise<void>, by: object): MaybePromise<void> {
    if (!this.has(ctx) && !hasPassed(ctx, by))
      (ctx as Noting)[this.outcome] = isPromise(entered) ? entered : 'stopped'
    return entered
  }

  /** Brings an update to guards in front of a handler, or does with it what became of it before. */
  enter(ctx: Context, next: NextFunction, by: object, judge: () => MaybePromise<void>): MaybePromise<void> {
    const isAgain = this.has(ctx) || hasPassed(ctx, by)
    return isAgain ? this.again(ctx, next, by) : this.noted(ctx, judge(), by)
  }

  /** Handles a further use: runs what was let in, stops what was refused, and holds back what is held. */
  again(ctx: Context, next: NextFunction, by: object): MaybePromise<void> {
    const known = (ctx as Noting)[this.outcome]
    if (known === 'stopped') return undefined
    if (known instanceof Held) return known.join(next)
    if (known === 'passed' || (known !== 'seating' && hasPassed(ctx, by))) return handleAlso(ctx, by, next)
    return this.decided(ctx, known, by).then(() => this.again(ctx, next, by))
  }

  /** Lets the passes of an update continue that wait for its outcome. */
  wake({ update }: Context): void {
    const told = this.waiting.get(update) ?? []
    this.waiting.delete(update)
    for (const tell of told) tell()
  }

  /** Fulfilled when the first pass has an outcome. */
  private decided(ctx: Context, first: Outcome | undefined, by: object): Promise<void> {
    return new Promise((done) => {
      const others = this.waiting.get(ctx.update)
      if (others !== undefined) others.push(done)
      else this.waiting.set(ctx.update, [done])
      if (others !== undefined || !(first instanceof Promise)) return
      const ended = (): void => {
        if ((ctx as Noting)[this.outcome] === first) this.note(ctx, hasPassed(ctx, by) ? 'passed' : 'stopped')
      }
      first.then(ended, ended)
    })
  }
}

type Noting = Context & Record<symbol, Outcome | undefined>

/** The guards of a chain, as far as it matters whether they must judge each update once. */
interface Judging {
  readonly questions: readonly { readonly check: Check }[]
  readonly wired: readonly { readonly divert?: unknown }[]
}

/**
 * Returns the uses of guards in front of a handler; undefined if these judge an update again when it comes again. Guards that refuse
 * repetitions or hold updates back would take it for a repetition of itself.
 */
export function usesOf({ wired, questions }: Judging): FirstUses | undefined {
  const refuses = questions.some(({ check }) => check.kind === 'claim' && check.whenHeld === 'refuse')
  return refuses || wired.some(({ divert }) => divert !== undefined) ? new FirstUses() : undefined
}
