import type { Ms } from '../../core/duration.js'
import { setNewest } from '../../core/maps.js'

/** A group gets five notices at once, and one every twelve seconds: half of the 20 messages a minute that Telegram allows there. */
const EACH: Ms = 12_000
const MOST_AHEAD: Ms = 48_000
/** Most groups to remember; beyond that the one with the oldest entry is forgotten. */
export const MOST_GROUPS = 10_000

/** Times by group. Each worker knows its own only, for all bots of a sentinel together. */
export type TimeByGroup = Map<number, Ms>

/** Whether a group may have another notice now. */
export function hasRoom(fullAt: TimeByGroup, chat: number, now: Ms): boolean {
  return (fullAt.get(chat) ?? now) <= now + MOST_AHEAD
}

/** Takes a notice from the budget of a group. */
export function countNotice(fullAt: TimeByGroup, chat: number, now: Ms): void {
  setNewest(fullAt, chat, Math.max(fullAt.get(chat) ?? now, now) + EACH, MOST_GROUPS)
}
