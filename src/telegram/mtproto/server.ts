import { createServer, type Server, type Socket } from 'node:net'
import { quietTimers, type Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import type { Envelope } from '../../mtproto/protocol/message.js'
import type { ServerKey } from '../../mtproto/protocol/rsa.js'
import type { Schema } from '../../mtproto/protocol/tl/schema.js'
import type { World } from '../world/world.js'
import { Connection } from './connections/connection.js'
import { DataCentres } from './data-centres.js'
import type { Face } from './face.js'
import { layers } from './layers/layers.js'
import type { Phones } from './logins/phones.js'
import type { Rpc } from './rpc.js'
import { type AuthKey, AuthKeys } from './sessions/auth-keys.js'
import { KeyExchange } from './sessions/key-exchange.js'
import { MessageIds } from './sessions/message-ids.js'
import { Session } from './sessions/session.js'

/** What clients may take of a data centre. */
export interface Limits {
  /** How long a connection may take for its first encrypted message. */
  readonly handshake: Ms
  /** How long one may say nothing; up to twice as long, since nobody looks more often. */
  readonly silence: Ms
  /** Connections at once; more are told so (-429) and closed. */
  readonly connections: number
  readonly timers: Timers
}

export const LIMITS: Limits = {
  handshake: 60_000,
  silence: 300_000,
  connections: 10_000,
  timers: quietTimers,
}
/** Connections beyond {@link Limits} that wait to be told so, at most; more are closed as they come. */
const MOST_REFUSED = 100
/** The sessions of one key: whoever opens more loses the oldest. */
const MOST_SESSIONS = 100
/** Of all keys together. */
const MOST_SESSIONS_IN_ALL = 20_000

/** One data centre: its port, and the keys and sessions of those who came there. */
export class MtprotoServer {
  readonly schema: Schema = layers().reading
  readonly keys = new AuthKeys()
  readonly messageIds: MessageIds
  port = 0
  readonly #sessions = new Map<AuthKey, Map<bigint, Session>>()
  /** The oldest first. */
  readonly #all = new Set<Session>()
  readonly #sockets = new Set<Socket>()
  readonly #refused = new Set<Socket>()
  #server: Server | undefined

  constructor(
    readonly world: World,
    /** Its number; a client that was told another is sent away. */
    readonly dc = 2,
    /** All of them; those that share a world must share this. */
    readonly centres = new DataCentres(world),
    readonly limits = LIMITS,
  ) {
    this.messageIds = new MessageIds(() => this.now())
    centres.add(this)
  }

  get rpc(): Rpc {
    return this.centres.rpc
  }

  get face(): Face {
    return this.centres.face
  }

  get phones(): Phones {
    return this.centres.phones
  }

  get key(): ServerKey {
    return this.centres.key
  }

  now(): Ms {
    return this.world.clock.now()
  }

  /** On 127.0.0.1; port 0 is any free one. */
  async listen(port = 0): Promise<void> {
    const server = createServer((socket) => this.#accept(socket))
    this.#server = server
    await new Promise<void>((done, failed) => {
      server.once('error', failed)
      server.listen(port, '127.0.0.1', done)
    })
    const address = server.address()
    if (address === null || typeof address === 'string') {
      throw new SentinelError('telegram.invalid', 'mtproto: there is no port to listen on. Give another one.')
    }
    this.port = address.port
  }

  newKeyExchange(): KeyExchange {
    return new KeyExchange(this.schema, this.key, this.dc, this.keys, () => this.now())
  }

  /** The session a message belongs to: it begins with its first one. */
  session(key: AuthKey, { sessionId, messageId }: Envelope): Session {
    const owner = key.lasting
    let own = this.#sessions.get(owner)
    if (own === undefined) {
      own = new Map()
      this.#sessions.set(owner, own)
    }
    let session = own.get(sessionId)
    if (session !== undefined) {
      session.key = key
      return session
    }
    if (own.size >= MOST_SESSIONS) {
      for (const [id] of own) {
        this.endSession(owner, id)
        break
      }
    }
    if (this.#all.size >= MOST_SESSIONS_IN_ALL) this.#endOldest()
    session = new Session(this, key, sessionId)
    this.#all.add(session)
    session.startsWith = messageId
    own.set(sessionId, session)
    // Where the oldest was its only one.
    this.#sessions.set(owner, own)
    return session
  }

  /** A temporary key stands for a permanent one from now on, and so do its sessions. */
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

  /** A key that was destroyed: its sessions end, and whoever uses it is told that nobody knows it. */
  forget(key: AuthKey): void {
    this.keys.remove(key)
    // A temporary key leaves the sessions to its successor.
    if (key.boundTo !== undefined) return
    for (const other of this.keys.all()) if (other.boundTo === key) this.keys.remove(other)
    for (const [id] of [...(this.#sessions.get(key) ?? [])]) this.endSession(key, id)
  }

  /** Cuts all connections; the sessions stay. */
  cut(): void {
    for (const socket of [...this.#sockets, ...this.#refused]) socket.destroy()
  }

  async close(): Promise<void> {
    this.face.close()
    for (const [, sessions] of this.#sessions) for (const [, session] of sessions) session.close()
    this.#sessions.clear()
    this.#all.clear()
    this.cut()
    const server = this.#server
    if (server !== undefined) await new Promise<void>((done) => server.close(() => done()))
  }

  /** How many connections there are. */
  get connections(): number {
    return this.#sockets.size
  }

  #endOldest(): void {
    for (const session of this.#all) {
      this.#all.delete(session)
      this.endSession(session.key.lasting, session.id)
      return
    }
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
