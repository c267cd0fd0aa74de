import type { Ms } from '../../core/duration.js'
import { setNewest } from '../../core/maps.js'

/** A group gets five notices at once, and one every twelve seconds: half of the 20 messages a minute that Telegram allows there. */
const EACH: Ms = 12_000
const MOST_AHEAD: Ms = 48_000
/** How long a group that refused an ephemeral message gets other ones. */
const PLAIN_FOR: Ms = 600_000
/** Most groups to remember; beyond that the one with the oldest entry is forgotten. */
const MOST_GROUPS = 10_000

/**
 * Bounds the notices in each group, and remembers which groups refuse ephemeral messages. Each worker knows its own only, for all
 * bots of a sentinel together.
 */
export class GroupNotices {
  private readonly fullAt = new Map<number, Ms>()
  private readonly plainUntil = new Map<number, Ms>()

  /** Whether a group may have another notice now. */
  hasRoom(chat: number, now: Ms): boolean {
    return (this.fullAt.get(chat) ?? now) <= now + MOST_AHEAD
  }

  count(chat: number, now: Ms): void {
    setNewest(this.fullAt, chat, Math.max(this.fullAt.get(chat) ?? now, now) + EACH, MOST_GROUPS)
  }

  /** Whether a group has lately refused an ephemeral message. */
  isPlain(chat: number, now: Ms): boolean {
    return (this.plainUntil.get(chat) ?? now) > now
  }

  refused(chat: number, now: Ms): void {
    setNewest(this.plainUntil, chat, now + PLAIN_FOR, MOST_GROUPS)
  }
}
