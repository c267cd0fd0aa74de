import type { Ms } from '../../core/duration.js'

/** Five notices at once, and one every twelve seconds: half of the 20 messages a minute that Telegram allows in a group. */
const MOST = 5
const EACH: Ms = 12_000
/** How long a group that refused an ephemeral message gets other ones. */
const PLAIN_FOR: Ms = 600_000
/** Most groups to remember; beyond that the one with the oldest notice is forgotten. */
const MOST_GROUPS = 10_000

/** Bounds the notices in each group, and remembers which groups refuse ephemeral messages. Each worker knows its own only. */
export class GroupNotices {
  private readonly until = new Map<string, Ms>()

  /** Whether a group may have no notice now. */
  isSpent(bot: number, chat: number, now: Ms): boolean {
    return (this.until.get(`${bot} ${chat}`) ?? 0) > now + (MOST - 1) * EACH
  }

  /** Takes a notice from the budget of a group; false if it is spent. */
  spend(bot: number, chat: number, now: Ms): boolean {
    if (this.isSpent(bot, chat, now)) return false
    const name = `${bot} ${chat}`
    this.keep(name, Math.max(this.until.get(name) ?? 0, now) + EACH)
    return true
  }

  /** Whether a group has lately refused an ephemeral message. */
  isPlain(bot: number, chat: number, now: Ms): boolean {
    return (this.until.get(`${bot} ${chat} plain`) ?? now) > now
  }

  /** Notes that a group has refused an ephemeral message. */
  refused(bot: number, chat: number, now: Ms): void {
    this.keep(`${bot} ${chat} plain`, now + PLAIN_FOR)
  }

  private keep(name: string, until: Ms): void {
    this.until.delete(name)
    if (this.until.size >= MOST_GROUPS) this.until.delete(this.until.keys().next().value as string)
    this.until.set(name, until)
  }
}
