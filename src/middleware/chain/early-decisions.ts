import type { Context } from 'grammy'
import type { Update } from 'grammy/types'
import type { Decision, MaybePromise } from '../../core/check.js'
import type { Facts } from '../../core/facts.js'

/** Decides updates before they are parsed; implemented by the gate of a webhook. */
export interface EarlyDecisions {
  /** Called when an update reaches the chain. */
  came(update: Update): void
  /**
   * Returns, once, the decision that was already made about an update. A decision made by another chain is of no use: its charges
   * are given back, and once that is done the update is decided as usual.
   */
  take(update: Update, by: object): MaybePromise<Decision | undefined>
  /** Called when an update was refused: the sender's next updates may then be recognised by their id. */
  refused(facts: Facts, ctx: Context, decision: Decision): void
}
