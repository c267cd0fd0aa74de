import { createServer, type Server, type Socket } from 'node:net'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import type { Envelope } from '../../mtproto/protocol/message.js'
import type { ServerKey } from '../../mtproto/protocol/rsa.js'
import type { TlObject, TlValue } from '../../mtproto/protocol/tl/object.js'
import type { Schema } from '../../mtproto/protocol/tl/schema.js'
import { getOrMake } from '../world/maps.js'
import type { World } from '../world/world.js'
import { Connection } from './connections/connection.js'
import type { ConnectionHost } from './connections/connection-host.js'
import { LIMITS } from './connections/limits.js'
import { layers } from './layers/layers.js'
import { type AuthKey, AuthKeys } from './sessions/auth-keys.js'
import type { ClientSession } from './sessions/client-session.js'
import { KeyExchange } from './sessions/key-exchange.js'
import { MessageIds } from './sessions/message-ids.js'
import { Session } from './sessions/session.js'
import type { SessionHost } from './sessions/session-host.js'

/** Maximum number of surplus connections that wait for their error; further ones are closed immediately. */
const MOST_REFUSED = 100
/** Maximum number of sessions per key; beyond it the oldest ends. */
const MOST_SESSIONS = 100
/** Maximum number of sessions over all keys. */
const MOST_SESSIONS_IN_ALL = 20_000

/** A server at a port of its own, with the keys and sessions of its clients. Subclasses decide how requests are run. */
export abstract class MtprotoServer implements ConnectionHost, SessionHost {
  readonly schema: Schema = layers().reading
  readonly keys = new AuthKeys()
  readonly messageIds: MessageIds
  port = 0
  readonly #sessions = new Map<AuthKey, Map<bigint, Session>>()
  /** In order of creation, oldest first. */
  readonly #all = new Set<Session>()
  readonly #sockets = new Set<Socket>()
  readonly #refused = new Set<Socket>()
  #server: Server | undefined

  constructor(
    readonly world: World,
    /** Number of the data centre; clients that expect another one are refused. */
    readonly dc: number,
    /** The key by which clients authenticate the server. */
    readonly key: ServerKey,
    readonly limits = LIMITS,
  ) {
    this.messageIds = new MessageIds(() => this.now())
  }

  abstract run(session: ClientSession, request: TlObject, messageId: bigint): Promise<TlValue>

  now(): Ms {
    return this.world.clock.now()
  }

  /** Listens on 127.0.0.1; port 0 means any free port. */
  async listen(port = 0): Promise<void> {
    const server = createServer((socket) => this.#accept(socket))
    this.#server = server
    await new Promise<void>((done, failed) => {
      server.once('error', failed)
      server.listen(port, '127.0.0.1', done)
    })
    const address = server.address()
    if (address === null || typeof address === 'string') {
      throw new SentinelError('telegram.invalid', 'mtproto: cannot listen on that port. Pass another one.')
    }
    this.port = address.port
  }

  newKeyExchange(): KeyExchange {
    return new KeyExchange(this.schema, this.key, this.dc, this.keys, () => this.now())
  }

  session(key: AuthKey, { sessionId, messageId }: Envelope): Session {
    const owner = key.lasting
    const theirs = this.#sessions.get(owner)
    const known = theirs?.get(sessionId)
    if (known !== undefined) {
      known.key = key
      return known
    }
    if (theirs !== undefined && theirs.size >= MOST_SESSIONS) this.#endFirst(theirs.values())
    if (this.#all.size >= MOST_SESSIONS_IN_ALL) this.#endFirst(this.#all)
    const session = new Session(this, key, sessionId)
    this.#all.add(session)
    session.startsWith = messageId
    // Looked up again, because ending the oldest session may have removed this key's entry.
    getOrMake(this.#sessions, owner, () => new Map<bigint, Session>()).set(sessionId, session)
    return session
  }

  /** Binds a temporary key to a permanent one, which takes over its sessions. */
  bind(key: AuthKey, permanent: AuthKey): void {
    const own = this.#sessions.get(key)
    key.boundTo = permanent
    if (own === undefined) return
    this.#sessions.delete(key)
    const theirs = this.#sessions.get(permanent)
    if (theirs === undefined) this.#sessions.set(permanent, own)
    else for (const [id, session] of own) theirs.set(id, session)
  }

  endSession(owner: AuthKey, id: bigint): boolean {
    const own = this.#sessions.get(owner)
    const session = own?.get(id)
    if (session === undefined) return false
    session.close()
    this.#all.delete(session)
    if (own?.delete(id) === true && own.size === 0) this.#sessions.delete(owner)
    return true
  }

  /** Removes a key, and ends its sessions: clients using it get error -404. */
  forget(key: AuthKey): void {
    this.keys.remove(key)
    // The sessions of a bound temporary key belong to the permanent key and survive.
    if (key.boundTo !== undefined) return
    for (const other of this.keys.all()) if (other.boundTo === key) this.keys.remove(other)
    for (const [id] of [...(this.#sessions.get(key) ?? [])]) this.endSession(key, id)
  }

  /** Cuts all connections; sessions survive. */
  cut(): void {
    for (const socket of [...this.#sockets, ...this.#refused]) socket.destroy()
  }

  async close(): Promise<void> {
    for (const [, sessions] of this.#sessions) for (const [, session] of sessions) session.close()
    this.#sessions.clear()
    this.#all.clear()
    this.cut()
    const server = this.#server
    if (server !== undefined) await new Promise<void>((done) => server.close(() => done()))
  }

  /** Number of open connections. */
  get connections(): number {
    return this.#sockets.size
  }

  #endFirst([oldest]: Iterable<Session>): void {
    if (oldest === undefined) return
    // Another session may have taken its place and id, when a temporary key was bound.
    this.#all.delete(oldest)
    this.endSession(oldest.key.lasting, oldest.id)
  }

  #accept(socket: Socket): void {
    const isOver = this.#sockets.size >= this.limits.connections
    if (isOver && this.#refused.size >= MOST_REFUSED) {
      socket.destroy()
      return
    }
    const among = isOver ? this.#refused : this.#sockets
    among.add(socket)
    socket.on('close', () => among.delete(socket))
    new Connection(this, socket, isOver)
  }
}
