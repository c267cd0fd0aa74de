import { getOrInsert } from '../../../core/maps.js'
import type { StoredMessage } from '../../world/chats/chats.js'
import { Journal } from './journal.js'

/** An account's messages in private chats and basic groups, which share one sequence of ids. */
export class Mailbox {
  readonly journal = new Journal()
  readonly #ids = new WeakMap<StoredMessage, number>()
  readonly #byId = new Map<number, StoredMessage>()
  #next = 1

  idOf(stored: StoredMessage): number {
    return getOrInsert(this.#ids, stored, () => {
      const id = this.#next++
      this.#byId.set(id, stored)
      return id
    })
  }

  find(id: number): StoredMessage | undefined {
    return this.#byId.get(id)
  }

  /** The id of a message that is still in the mailbox. */
  knownId(stored: StoredMessage): number | undefined {
    const id = this.#ids.get(stored)
    return id !== undefined && this.#byId.has(id) ? id : undefined
  }

  remove(id: number): boolean {
    return this.#byId.delete(id)
  }
}
