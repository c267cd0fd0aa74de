import type { Message } from 'grammy/types'
import type { Account } from './accounts.js'
import type { SharedChat, StoredMessage } from './chats.js'
import { isAdministrator, type Membership } from './members.js'
import type { World } from './world.js'

/** What was done in a group or channel. */
export type Deed =
  | {
      readonly what: 'membership'
      readonly target: Account
      readonly before: Membership
      readonly after: Membership
    }
  | { readonly what: 'edited'; readonly before: Message; readonly stored: StoredMessage }
  | { readonly what: 'deleted' | 'pinned'; readonly stored: StoredMessage }
  | { readonly what: 'title' | 'about'; readonly before: string; readonly after: string }
  /** Seconds. */
  | { readonly what: 'slow mode' | 'auto-delete'; readonly before: number; readonly after: number }

export interface LoggedDeed {
  /** Rises over all chats. */
  readonly id: number
  /** Unix seconds. */
  readonly date: number
  readonly by: Account
  readonly deed: Deed
}

/** "Events from the last 48 hours" (https://core.telegram.org/api/recent-actions). */
const KEPT_FOR = 48 * 3600
const MOST_OF_CHAT = 1000

/** What administrators did, and who came and left, as administrators may read it. */
export class AdminLog {
  readonly #byChat = new WeakMap<SharedChat, LoggedDeed[]>()
  #next = 1

  constructor(private readonly date: () => number) {}

  note(chat: SharedChat, by: Account, deed: Deed): void {
    let deeds = this.#byChat.get(chat)
    if (deeds === undefined) {
      deeds = []
      this.#byChat.set(chat, deeds)
    }
    deeds.push({ id: this.#next++, date: this.date(), by, deed })
    if (deeds.length > MOST_OF_CHAT) deeds.shift()
  }

  /** Latest first. */
  of(chat: SharedChat): readonly LoggedDeed[] {
    const from = this.date() - KEPT_FOR
    return (this.#byChat.get(chat) ?? []).filter(({ date }) => date >= from).reverse()
  }
}

/** Who deletes their own words is not told of; what administrators delete is. */
export function noteDeleted(world: World, stored: StoredMessage, by: Account): void {
  const { chat } = stored
  if (chat.kind === 'private' || stored.receiverId !== undefined) return
  if (isAdministrator(world.membership(chat, by.id)))
    world.adminLog.note(chat, by, { what: 'deleted', stored })
}

/** Whoever changes a message is its author, or in a channel any administrator: Telegram tells of all. */
export function noteEdited(world: World, stored: StoredMessage, before: Message): void {
  const { chat, authorId } = stored
  const by = world.accounts.find(authorId)
  if (chat.kind === 'private' || by === undefined || stored.receiverId !== undefined) return
  world.adminLog.note(chat, by, { what: 'edited', before, stored: { ...stored } })
}
