import { getOrInsert } from '../../../core/maps.js'
import type { Envelope } from '../../../mtproto/protocol/message.js'
import type { AuthKey, AuthKeys } from './auth-keys.js'
import { Session } from './session.js'
import type { SessionHost } from './session-host.js'

/** Maximum number of sessions per key; beyond it the oldest ends. */
const MOST_SESSIONS = 100
/** Maximum number of sessions over all keys. */
const MOST_SESSIONS_IN_ALL = 20_000

/** The sessions of all clients of a server, by the keys that they belong to. */
export class Sessions {
  readonly #byKey = new Map<AuthKey, Map<bigint, Session>>()
  /** In order of creation, oldest first. */
  readonly #all = new Set<Session>()

  constructor(
    private readonly host: SessionHost,
    private readonly keys: AuthKeys,
  ) {}

  /** Returns the session of a message, creating it with its first message. */
  of(key: AuthKey, { sessionId, messageId }: Envelope): Session {
    const owner = key.lasting
    const theirs = this.#byKey.get(owner)
    const known = theirs?.get(sessionId)
    if (known !== undefined) {
      known.key = key
      return known
    }
    if (theirs !== undefined && theirs.size >= MOST_SESSIONS) this.#endFirst(theirs.values())
    if (this.#all.size >= MOST_SESSIONS_IN_ALL) this.#endFirst(this.#all)
    const session = new Session(this.host, key, sessionId)
    this.#all.add(session)
    session.startsWith = messageId
    // Looked up again, because ending the oldest session may have removed this key's entry.
    getOrInsert(this.#byKey, owner, () => new Map<bigint, Session>()).set(sessionId, session)
    return session
  }

  /** Binds a temporary key to a permanent one, which takes over its sessions. */
  bind(key: AuthKey, permanent: AuthKey): void {
    const own = this.#byKey.get(key)
    key.boundTo = permanent
    if (own === undefined) return
    this.#byKey.delete(key)
    const theirs = this.#byKey.get(permanent)
    if (theirs === undefined) this.#byKey.set(permanent, own)
    else for (const [id, session] of own) theirs.set(id, session)
  }

  /** Ends a session of a key; returns false if there is none of that id. */
  end(owner: AuthKey, id: bigint): boolean {
    const own = this.#byKey.get(owner)
    const session = own?.get(id)
    if (session === undefined) return false
    session.close()
    this.#all.delete(session)
    if (own?.delete(id) === true && own.size === 0) this.#byKey.delete(owner)
    return true
  }

  /** Removes a key, and ends its sessions: clients using it get error -404. */
  forget(key: AuthKey): void {
    this.keys.remove(key)
    // The sessions of a bound temporary key belong to the permanent key and survive.
    if (key.boundTo !== undefined) return
    for (const other of this.keys.all()) if (other.boundTo === key) this.keys.remove(other)
    for (const [id] of [...(this.#byKey.get(key) ?? [])]) this.end(key, id)
  }

  /** Ends all sessions. */
  close(): void {
    for (const [, sessions] of this.#byKey) for (const [, session] of sessions) session.close()
    this.#byKey.clear()
    this.#all.clear()
  }

  #endFirst([oldest]: Iterable<Session>): void {
    if (oldest === undefined) return
    // Another session may have taken its place and id, when a temporary key was bound.
    this.#all.delete(oldest)
    this.end(oldest.key.lasting, oldest.id)
  }
}
