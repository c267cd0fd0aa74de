import type { Context } from 'grammy'
import type { Ask } from '../../core/check.js'
import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Chain } from '../pipeline.js'
import { Recent } from '../recent.js'
import type { SentinelFlavor } from './control.js'

/** Telegram redelivers unconfirmed updates for this long (https://core.telegram.org/bots/api#getting-updates). */
const REDELIVERED_WITHIN: Ms = 86_400_000

/**
 * What is left of the attempts to handle an update: `free` if all of them failed, so that nothing is charged; `charged` if this
 * chain has charged the latest, which has not failed yet; `kept` if an earlier one may have ended without a trace, as it can with
 * a lease. Its charge may still stand, so no later attempt is charged, whether or not it fails.
 */
type Left = 'free' | 'charged' | 'kept'

/** Updates that this process attempted to handle, as long as they may be redelivered. */
export class Redeliveries {
  private readonly updates = new Recent<Left>(REDELIVERED_WITHIN)

  constructor(private readonly clock: Clock) {}

  note(ctx: Context, left: Left = 'free'): void {
    if (this.leftOf(ctx) !== 'kept') this.updates.set(nameOf(ctx), left, this.clock())
  }

  leftOf(ctx: Context): Left | undefined {
    return this.updates.get(nameOf(ctx), this.clock())
  }
}

/** Identifies an update; update ids are unique per bot only. */
function nameOf({ me, update }: Context): string {
  return `${me.id} ${update.update_id}`
}

type Attempted = Context & Partial<SentinelFlavor>
type Layer = Pick<Chain, 'redeliveries' | 'root' | 'questions'>

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
export function noteFailed({ redeliveries, leased }: Chain, ctx: Attempted): void {
  if (!leased || ctx.sentinel?.isRepeated !== true || redeliveries.leftOf(ctx) === 'free')
    redeliveries.note(ctx)
}
