import type { Context } from 'grammy'
import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { Recent } from '../recent.js'

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
