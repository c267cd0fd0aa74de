import { getOrInsert } from '../../../core/maps.js'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import type { AuthKey } from '../sessions/auth-keys.js'
import type { ClientSession } from '../sessions/client-session.js'

/** Decides when and how often an update is sent, to test lost, repeated and delayed updates. */
type Delivery = (send: () => void) => void

/** The sessions that get the updates of each account. */
export class Subscriptions {
  /** Replaced by tests to lose, repeat or delay updates. */
  deliver: Delivery = (send) => send()
  readonly #sessions = new Map<number, Set<ClientSession>>()
  /** The session whose call runs now. */
  #caller: ClientSession | undefined

  subscribe(session: ClientSession, account: Account): void {
    if (session.unsubscribe !== undefined) return
    const own = getOrInsert(this.#sessions, account.id, () => new Set<ClientSession>())
    own.add(session)
    session.unsubscribe = () => own.delete(session)
  }

  /** Stops sending updates to the sessions of a key. */
  unsubscribe(key: AuthKey, account: Account): void {
    for (const session of [...(this.#sessions.get(account.id) ?? [])]) {
      if (session.key.lasting !== key) continue
      session.unsubscribe?.()
      session.unsubscribe = undefined
    }
  }

  /**
   * Runs `act` as the given session, which gets the changes in the answer to its call, while the account's other sessions get
   * updates. Works only for synchronous code: call it again after each `await`.
   */
  during<T>(session: ClientSession, act: () => T): T {
    const before = this.#caller
    this.#caller = session
    try {
      return act()
    } finally {
      this.#caller = before
    }
  }

  /** Whether a call runs now, which reports its own changes. */
  get isWithinCall(): boolean {
    return this.#caller !== undefined
  }

  /** Whether a session gets the updates of an account. */
  has(account: number): boolean {
    return (this.#sessions.get(account)?.size ?? 0) > 0
  }

  /** Ids of the accounts whose updates some session gets. */
  *accountIds(): Generator<number> {
    for (const [id, { size }] of this.#sessions) if (size > 0) yield id
  }

  /** Sends an update to the sessions of an account, except the one whose call runs now. */
  send(account: Account, update: TlObject): void {
    for (const session of this.#sessions.get(account.id) ?? []) {
      if (session !== this.#caller) this.deliver(() => session.send(update))
    }
  }
}
