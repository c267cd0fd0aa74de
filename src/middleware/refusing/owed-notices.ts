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
 * refuses the same actor where one may be sent. A notice that Telegram could not send waits as well. Each worker knows its own only.
 */
export class OwedNotices {
  /** The times from which they may be sent. */
  private readonly from = new Map<string, Ms>()

  /** Records that a notice is owed. One that already waits for Telegram continues to wait. */
  owe(bot: number, facts: Facts, guard: string, limit: string, from: Ms): void {
    const name = nameOf(bot, facts, guard, limit)
    setNewest(this.from, name, Math.max(from, this.from.get(name) ?? from), MOST_OWED)
  }

  /** Whether to send a notice now: it is owed, or `due` anyway. While it waits for Telegram, neither suffices. */
  isDue(bot: number, facts: Facts, guard: string, limit: string, now: Ms, due: boolean): boolean {
    // Usually no notice is owed; during a flood this saves creating the names.
    if (this.from.size === 0) return due
    const from = this.from.get(nameOf(bot, facts, guard, limit)) ?? Number.NaN
    return from > now ? false : due || now < from + OWED_FOR
  }

  given(bot: number, facts: Facts, guard: string, limit: string): void {
    if (this.from.size > 0) this.from.delete(nameOf(bot, facts, guard, limit))
  }
}

function nameOf(bot: number, { actor }: Facts, guard: string, limit: string): string {
  return `${bot} ${actor === undefined ? '' : keyText(actor)} ${guard}.${limit}`
}
