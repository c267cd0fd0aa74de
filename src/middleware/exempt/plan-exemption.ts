import type { Context } from 'grammy'
import type { MaybePromise } from '../../core/check.js'
import type { Facts } from '../../core/facts.js'

/** Exempts some actors from the checks that follow it in one plan. */
export interface PlanExemption {
  /** Returns the actor's exemption level as far as it is known without asking anybody. */
  levelOf(facts: Facts, ctx: Context): number
  /** Marks whose holders are exempt; read by the plan. */
  readonly marks: readonly string[]
  /** Whether a refused actor is exempt after all; {@link levelOf} knows the answer from then on. */
  rescues?(facts: Facts, ctx: Context): MaybePromise<boolean>
}
