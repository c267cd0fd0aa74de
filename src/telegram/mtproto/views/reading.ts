import type { Account } from '../../world/accounts.js'
import type { WorldChat } from '../../world/chats.js'

/** How far accounts have read; the world itself knows nothing of it. */
export class Reading {
  readonly #marks = new WeakMap<WorldChat, Map<number, number>>()

  /** The last message an account has read, by its own numbers; 0: none yet. */
  reached(account: Account, chat: WorldChat): number {
    return this.#marks.get(chat)?.get(account.id) ?? 0
  }

  /** It never goes back. Whether it went on. */
  reach(account: Account, chat: WorldChat, id: number): boolean {
    if (id <= this.reached(account, chat)) return false
    let marks = this.#marks.get(chat)
    if (marks === undefined) {
      marks = new Map()
      this.#marks.set(chat, marks)
    }
    marks.set(account.id, id)
    return true
  }
}
