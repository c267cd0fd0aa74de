import type { Ms } from '../core/duration.js'

/** If this many chats answer 429 within a second, the bot as a whole is limited rather than single chats. */
const FLOODED_CHATS = 5
const FLOODED_WITHIN: Ms = 1000

/** How often a call was sent. */
export interface Tries {
  made: number
  /** How many of these attempts hit a limit of the whole bot; they do not count against `attempts`. */
  spared: number
}

/** A call that was answered with 429. */
interface Flooded {
  readonly at: Ms
  readonly wait: Ms
  /** When it may be sent again. */
  readonly until: Ms
  /** The attempts of the call, unless this refusal was already spared. */
  readonly counted: Tries | undefined
}

/** Collects the chats that answered 429 within the last second, to tell a limit of single chats from one of the whole bot. */
export class FloodedChats {
  private byChat = new Map<string, Flooded[]>()

  /** Adds a refusal. If enough chats are limited to blame the whole bot, returns all refusals and forgets them; otherwise none. */
  note(chat: string, flooded: Flooded): readonly Flooded[] {
    const since = flooded.at - FLOODED_WITHIN
    for (const [other, all] of this.byChat) {
      while (all[0] !== undefined && all[0].at < since) all.shift()
      if (all.length === 0) this.byChat.delete(other)
    }
    const all = this.byChat.get(chat) ?? []
    all.push(flooded)
    this.byChat.set(chat, all)
    if (this.byChat.size < FLOODED_CHATS) return []
    const noted = [...this.byChat.values()].flat()
    this.byChat = new Map()
    return noted
  }
}
