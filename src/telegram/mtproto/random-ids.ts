import { keepLatest } from '../../core/maps.js'
import type { Account } from '../world/accounts.js'
import type { StoredMessage } from '../world/chats/chats.js'

/** Maximum number of random ids kept; clients resend within minutes. */
const MOST_REMEMBERED = 10_000

/**
 * Messages by their `random_id`, "a unique client message ID required to prevent message resending"
 * (https://core.telegram.org/method/messages.sendMedia): a client that got no answer repeats its request, which must not send the
 * message twice.
 */
export class RandomIds {
  readonly #sent = new Map<string, Promise<readonly StoredMessage[]>>()

  /** Sends a message, unless the same id was used before: then returns the earlier message. */
  async once(
    account: Account,
    randomId: bigint,
    send: () => StoredMessage | Promise<StoredMessage>,
  ): Promise<StoredMessage> {
    const [stored] = await this.together(account, [randomId], async () => [await send()])
    return stored as StoredMessage
  }

  /** Like `once`, for several messages sent as one. */
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
    // A request that failed may be repeated.
    sending.catch(() => this.#sent.delete(key))
    keepLatest(this.#sent, MOST_REMEMBERED)
    return sending
  }
}
