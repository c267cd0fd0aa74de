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
 * Updates that this process attempted to handle, as long as they may be redelivered: true if every attempt failed, so that no
 * charge is left of them; false if one was charged by this chain and has not failed since. With a lease, attempts may also end
 * without a trace.
 */
export class Redone {
  private readonly updates = new Recent<boolean>(REDELIVERED_WITHIN)

  constructor(private readonly clock: Clock) {}

  note(ctx: Context, isFree = true): void {
    this.updates.set(nameOf(ctx), isFree, this.clock())
  }

  isFree(ctx: Context): boolean | undefined {
    return this.updates.get(nameOf(ctx), this.clock())
  }
}

/** Identifies an update; update ids are unique per bot only. */
function nameOf({ me, update }: Context): string {
  return `${me.id} ${update.update_id}`
}

type Attempted = Context & Partial<SentinelFlavor>
type Layer = Pick<Chain<Context>, 'redone' | 'root' | 'questions'>

/** Adapts the ask of a handler's guards to a redelivered update: what they already claimed or charged is not asked again. */
export function askedAgain({ redone, root, questions }: Layer, asked: Ask, ctx: Attempted): Ask | undefined {
  if (ctx.sentinel?.isRepeated !== true) return asked
  const isFree = redone.isFree(ctx)
  if (isFree === true) return questions.unclaimed(asked)
  // All earlier attempts failed in this process before they reached this handler, so nothing was charged here.
  if (isFree === undefined && root?.redone.isFree(ctx) === true) return asked
  // An earlier attempt was in another process. If its handler threw, the charge was given back; if the process died, it was not.
  return root?.leased === true ? questions.demanded(asked) : questions.unclaimed(asked)
}

/** Records that a handler's guards have admitted an update, and possibly charged it once more. */
export function noteCharged({ redone, root }: Layer, ctx: Attempted): void {
  if (root?.leased === true && ctx.sentinel?.isRepeated === true) redone.note(ctx, false)
}

/** Records that a sentinel's handlers threw, unless an earlier attempt may have ended without a trace. */
export function noteFailed({ redone, leased }: Chain<Context>, ctx: Attempted): void {
  if (!leased || ctx.sentinel?.isRepeated !== true || redone.isFree(ctx) === true) redone.note(ctx)
}
