import type { Context } from 'grammy'
import type { Update } from 'grammy/types'
import type { Decision } from '../../core/check.js'
import type { Facts } from '../../core/facts.js'

/** Whoever decides about updates before they are parsed: the gate of a webhook. A chain without one asks for nothing of it. */
export interface Foretelling {
  /** The decision about an update that was made already, once. */
  take(update: Update): Decision | undefined
  /** An update was refused: the next of its sender may be known by their id. */
  refused(facts: Facts, ctx: Context, decision: Decision): void
}
