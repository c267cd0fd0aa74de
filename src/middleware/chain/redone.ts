import type { Context } from 'grammy'
import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { Recent } from '../recent.js'

/** Telegram redelivers unconfirmed updates for this long (https://core.telegram.org/bots/api#getting-updates). */
const REDELIVERED_WITHIN: Ms = 86_400_000

/** Updates whose handlers failed in this process, as long as they may be redelivered. */
export class Redone {
  private readonly updates = new Recent<true>(REDELIVERED_WITHIN)

  constructor(private readonly clock: Clock) {}

  note(ctx: Context): void {
    this.updates.set(nameOf(ctx), true, this.clock())
  }

  has(ctx: Context): boolean {
    return this.updates.get(nameOf(ctx), this.clock()) === true
  }
}

/** Identifies an update; update ids are unique per bot only. */
function nameOf({ me, update }: Context): string {
  return `${me.id} ${update.update_id}`
}
