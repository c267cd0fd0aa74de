import type { Context } from 'grammy'
import type { Ask } from '../../core/check.js'
import type { SentinelFlavor } from './control.js'
import type { Redeliveries } from './redeliveries.js'
import type { Questions } from './wiring.js'

type Attempted = Context & Partial<SentinelFlavor>

/** A chain that may be reached by redelivered updates: that of a sentinel, or of the guards in front of a handler behind it. */
interface Attempting {
  readonly redeliveries: Redeliveries
  /** Whether any claim has a lease that may end while handlers run. */
  readonly leased: boolean
}

/** The chain of the guards in front of a handler. */
interface Layer extends Attempting {
  readonly root: Attempting | undefined
  readonly questions: Pick<Questions, 'unclaimed' | 'demanded'>
}

/** Adapts the ask of a handler's guards to a redelivered update: what they already claimed or charged is not asked again. */
export function askedAgain(
  { redeliveries, root, questions }: Layer,
  asked: Ask,
  ctx: Attempted,
): Ask | undefined {
  if (ctx.sentinel?.isRepeated !== true) return asked
  const left = redeliveries.leftOf(ctx)
  if (left === 'free') return questions.unclaimed(asked)
  // All earlier attempts failed in this process before they reached this handler, so nothing was charged here.
  if (left === undefined && root?.redeliveries.leftOf(ctx) === 'free') return asked
  // An earlier attempt was in another process. If its handler threw, the charge was given back; if the process died, it was not.
  if (root?.leased !== true) return questions.unclaimed(asked)
  redeliveries.note(ctx, 'kept')
  return questions.demanded(asked)
}

/** Records that a handler's guards have admitted an update, and possibly charged it once more. */
export function noteCharged({ redeliveries, root }: Layer, ctx: Attempted): void {
  if (root?.leased === true && ctx.sentinel?.isRepeated === true) redeliveries.note(ctx, 'charged')
}

/** Records that a sentinel's handlers threw, unless an earlier attempt may have ended without a trace. */
export function noteFailed({ redeliveries, leased }: Attempting, ctx: Attempted): void {
  if (!leased || ctx.sentinel?.isRepeated !== true || redeliveries.leftOf(ctx) === 'free')
    redeliveries.note(ctx)
}
