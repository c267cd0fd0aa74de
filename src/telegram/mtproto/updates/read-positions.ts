import { getOrInsert } from '../../../core/maps.js'
import type { Account } from '../../world/accounts.js'
import type { WorldChat } from '../../world/chats/chats.js'

/** Read positions of accounts, which exist only in MTProto. */
export class ReadPositions {
  readonly #marks = new WeakMap<WorldChat, Map<number, number>>()

  /** The last message read, by the account's own ids; 0 if none. */
  reached(account: Account, chat: WorldChat): number {
    return this.#marks.get(chat)?.get(account.id) ?? 0
  }

  /** Moves the position forward, never back; returns whether it has moved. */
  reach(account: Account, chat: WorldChat, id: number): boolean {
    if (id <= this.reached(account, chat)) return false
    getOrInsert(this.#marks, chat, () => new Map()).set(account.id, id)
    return true
  }
}
