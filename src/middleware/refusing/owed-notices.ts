import type { Ms } from '../../core/duration.js'
import type { Facts } from '../../core/facts.js'
import { setNewest } from '../../core/maps.js'
import { keyText } from '../../core/subject.js'

/** Longer than the usual time between notices. */
const OWED_FOR: Ms = 86_400_000
/** Most owed notices; beyond that the oldest is forgotten. */
const MOST_OWED = 10_000

/**
 * Notices that came due where none may be sent. Storages count them as sent, so they are sent the next time the same limit
 * refuses the same actor where one may be sent. So is a notice that Telegram could not send. Each worker knows its own only.
 */
export class OwedNotices {
  /** By name, since when they are owed. */
  private readonly since = new Map<string, Ms>()

  owe(bot: number, facts: Facts, guard: string, limit: string, now: Ms): void {
    setNewest(this.since, nameOf(bot, facts, guard, limit), now, MOST_OWED)
  }

  has(bot: number, facts: Facts, guard: string, limit: string, now: Ms): boolean {
    // Usually no notice is owed; during a flood this saves creating the names.
    if (this.since.size === 0) return false
    return now < (this.since.get(nameOf(bot, facts, guard, limit)) ?? Number.NaN) + OWED_FOR
  }

  given(bot: number, facts: Facts, guard: string, limit: string): void {
    if (this.since.size > 0) this.since.delete(nameOf(bot, facts, guard, limit))
  }
}

function nameOf(bot: number, { actor }: Facts, guard: string, limit: string): string {
  return `${bot} ${actor === undefined ? '' : keyText(actor)} ${guard}.${limit}`
}
