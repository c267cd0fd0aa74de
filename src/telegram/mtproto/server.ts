import { createServer, type Server, type Socket } from 'node:net'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { loadIge } from '../../mtproto/protocol/ige.js'
import type { ServerKey } from '../../mtproto/protocol/rsa.js'
import type { TlObject, TlValue } from '../../mtproto/protocol/tl/object.js'
import type { Schema } from '../../mtproto/protocol/tl/schema.js'
import type { World } from '../world/world.js'
import { Connection } from './connections/connection.js'
import type { ConnectionHost } from './connections/connection-host.js'
import { LIMITS } from './connections/limits.js'
import { layers } from './layers/layers.js'
import { AuthKeys } from './sessions/auth-keys.js'
import type { ClientSession } from './sessions/client-session.js'
import { KeyExchange } from './sessions/key-exchange.js'
import { MessageIds } from './sessions/message-ids.js'
import type { SessionHost } from './sessions/session-host.js'
import { Sessions } from './sessions/sessions.js'

/** Maximum number of surplus connections that wait for their error; further ones are closed immediately. */
const MOST_REFUSED = 100

/** A server at a port of its own, with the keys and sessions of its clients. Subclasses decide how requests are run. */
export abstract class MtprotoServer implements ConnectionHost, SessionHost {
  readonly schema: Schema = layers().reading
  readonly keys = new AuthKeys()
  readonly messageIds: MessageIds
  readonly sessions: Sessions
  port = 0
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
    this.sessions = new Sessions(this, this.keys)
  }

  abstract run(session: ClientSession, request: TlObject, messageId: bigint): Promise<TlValue>

  now(): Ms {
    return this.world.clock.now()
  }

  /** Listens on 127.0.0.1; port 0 means any free port. */
  async listen(port = 0): Promise<void> {
    await loadIge()
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

  /** Cuts all connections; sessions survive. */
  cut(): void {
    for (const socket of [...this.#sockets, ...this.#refused]) socket.destroy()
  }

  async close(): Promise<void> {
    this.sessions.close()
    this.cut()
    const server = this.#server
    if (server !== undefined) await new Promise<void>((done) => server.close(() => done()))
  }

  /** Number of open connections. */
  get connections(): number {
    return this.#sockets.size
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
