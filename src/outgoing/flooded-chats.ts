import type { Ms } from '../core/duration.js'

/** So many chats that answer 429 within a second are no chats that are flooded: the whole bot is. */
const FLOODED_CHATS = 5
const FLOODED_WITHIN: Ms = 1000

/** How often a call was made. */
export interface Tries {
  made: number
  /** Of these, those that were refused to the bot as a whole: they count for nothing. */
  spared: number
}

/** A call that was answered 429. */
export interface Flooded {
  readonly at: Ms
  readonly wait: Ms
  /** When it may be made again. */
  readonly until: Ms
  /** Those of the call, if the refusal counts so far. */
  readonly counted: Tries | undefined
}

/** Who was answered 429 within the last second, by chat; what tells whether a chat is limited, or the bot as a whole. */
export class FloodedChats {
  private byChat = new Map<string, Flooded[]>()

  /** Notes one; gives all, and forgets them, once there are so many chats that it must be the bot. */
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
