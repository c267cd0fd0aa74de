import type { Ms } from '../core/duration.js'
import type { Lane } from './lane.js'

/** If this many chats answer 429 within a second, the bot as a whole seems to be limited rather than single chats. */
const FLOODED_CHATS = 5
const FLOODED_WITHIN: Ms = 1000
/** Longest pause of the whole bot. Strangers can have five groups, whose own limits must not silence the bot for long. */
const LONGEST_PAUSE: Ms = 2000

/** How often a call was sent. */
export interface Tries {
  made: number
  /** How many of these attempts hit a limit of the whole bot; they do not count against `attempts`. */
  spared: number
}

/** A 429, or a pause. */
interface Refusal {
  readonly at: Ms
  readonly wait: Ms
  /** When a call may be sent again. */
  readonly until: Ms
}

/** The refusal of a call. */
interface Flooded extends Refusal {
  /** The attempts of the call, unless this refusal was already spared. */
  readonly counted: Tries | undefined
}

/** Collects the chats that answered 429 within the last second, to tell a limit of single chats from one of the whole bot. */
export class FloodedChats {
  private byChat = new Map<string, Flooded[]>()

  /**
   * Adds a refusal; returns the pause of the whole bot that it causes, if any. The first message after a pause tells whether the
   * bot is limited: if it is refused, the next pause begins.
   *
   * @param bot The lane of the whole bot, if there is one.
   */
  pauseAfter(
    chat: string,
    tries: Tries,
    refusal: Refusal,
    bot: Lane | undefined,
  ): Pick<Refusal, 'wait' | 'until'> | undefined {
    const isSpared = bot?.isUnproven === true
    if (isSpared) tries.spared++
    const flooded = { ...refusal, counted: isSpared ? undefined : tries }
    const noted = this.note(chat, flooded)
    const all = noted.length === 0 && isSpared && bot.opensIn === 0 ? [flooded] : noted
    if (all.length === 0) return undefined
    for (const { counted } of all) if (counted !== undefined) counted.spared++
    // The shortest wait counts, because one chat that is closed for long must not close all others for as long.
    const first = all.reduce((one, other) => (other.until < one.until ? other : one))
    const { at } = refusal
    return {
      until: Math.min(first.until, at + LONGEST_PAUSE),
      wait: Math.min(first.at + first.wait - at, LONGEST_PAUSE),
    }
  }

  /** Adds a refusal. If enough chats are limited to blame the whole bot, returns all refusals and forgets them; otherwise none. */
  private note(chat: string, flooded: Flooded): readonly Flooded[] {
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
