import type { Context } from 'grammy'
import type { Update } from 'grammy/types'
import type { Decision, MaybePromise } from '../../core/check.js'
import type { Facts } from '../../core/facts.js'

/** Whoever decides about updates before they are parsed: the gate of a webhook. A chain without one asks for nothing of it. */
export interface Foretelling {
  /** An update has come to the chain. */
  came(update: Update): void
  /**
   * The decision about an update that was made already, once. One that another chain has made is of no use to this one: it is given
   * back, and when that is done the update is decided about as always.
   */
  take(update: Update, by: object): MaybePromise<Decision | undefined>
  /** An update was refused: the next of its sender may be known by their id. */
  refused(facts: Facts, ctx: Context, decision: Decision): void
}
