import type { Message } from 'grammy/types'
import { getOrInsert } from '../../../core/maps.js'
import type { Account } from '../accounts.js'
import type { SharedChat, StoredMessage } from './chats.js'
import type { Membership } from './members.js'

/** An action in a group or channel. */
type AdminEvent =
  | {
      readonly what: 'membership'
      readonly target: Account
      readonly before: Membership
      readonly after: Membership
    }
  | { readonly what: 'edited'; readonly before: Message; readonly stored: StoredMessage }
  | { readonly what: 'deleted' | 'pinned'; readonly stored: StoredMessage }
  | { readonly what: 'title' | 'about'; readonly before: string; readonly after: string }
  /** In seconds. */
  | { readonly what: 'slow mode' | 'auto-delete'; readonly before: number; readonly after: number }

export interface LoggedEvent {
  /** Increases over all chats. */
  readonly id: number
  /** Unix time in seconds. */
  readonly date: number
  readonly by: Account
  readonly event: AdminEvent
}

/** "Events from the last 48 hours" (https://core.telegram.org/api/recent-actions). */
const KEPT_FOR = 48 * 3600
const MOST_OF_CHAT = 1000

/** The log of actions by administrators, and of joins and leaves. */
export class AdminLog {
  readonly #byChat = new WeakMap<SharedChat, LoggedEvent[]>()
  #next = 1

  constructor(private readonly date: () => number) {}

  note(chat: SharedChat, by: Account, event: AdminEvent): void {
    const events = getOrInsert(this.#byChat, chat, () => [])
    events.push({ id: this.#next++, date: this.date(), by, event })
    if (events.length > MOST_OF_CHAT) events.shift()
  }

  /** The entries of a chat, latest first. */
  of(chat: SharedChat): readonly LoggedEvent[] {
    const from = this.date() - KEPT_FOR
    return (this.#byChat.get(chat) ?? []).filter(({ date }) => date >= from).reverse()
  }
}
