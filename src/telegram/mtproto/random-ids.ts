import type { Account } from '../world/accounts.js'
import type { StoredMessage } from '../world/chats.js'

/** Whoever sends something again does so within minutes. */
const MOST_REMEMBERED = 10_000

/**
 * What was sent under which `random_id`, "a unique client message ID required to prevent message resending"
 * (https://core.telegram.org/method/messages.sendMedia): a client that got no answer asks again, and must not say twice what it said once.
 */
export class RandomIds {
  readonly #sent = new Map<string, Promise<readonly StoredMessage[]>>()

  /** Sends it, unless it was or is being sent: then that is what it was. */
  async once(
    account: Account,
    randomId: bigint,
    send: () => StoredMessage | Promise<StoredMessage>,
  ): Promise<StoredMessage> {
    const [stored] = await this.together(account, [randomId], async () => [await send()])
    return stored as StoredMessage
  }

  /** The same for several that are sent as one. */
  together(
    account: Account,
    randomIds: readonly bigint[],
    send: () => Promise<readonly StoredMessage[]>,
  ): Promise<readonly StoredMessage[]> {
    const key = `${account.id} ${randomIds.join(' ')}`
    const before = this.#sent.get(key)
    if (before !== undefined) return before
    const sending = send()
    this.#sent.set(key, sending)
    // What was refused may be tried again.
    sending.catch(() => this.#sent.delete(key))
    this.#forgetOldest()
    return sending
  }

  #forgetOldest(): void {
    for (const [first] of this.#sent) {
      if (this.#sent.size <= MOST_REMEMBERED) return
      this.#sent.delete(first)
    }
  }
}
