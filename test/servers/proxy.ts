import { once } from 'node:events'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { freePort } from './ports.js'

/** A proxy between a client and a server that simulates network problems. */
export interface NetworkProxy {
  readonly port: number
  /** Connections accepted so far. */
  readonly accepted: number
  /** Connections that are open now. */
  readonly open: number
  /** The URL of the server with the address of the proxy. */
  urlOf(url: string): string
  /** From now on each piece, in either direction, arrives this many milliseconds late. */
  delay(ms: number): void
  /** Accepts connections and holds back all data, in either direction. `normal()` delivers it. */
  blackHole(): void
  /** Refuses new connections, as if nobody listened; open ones stay. */
  refuse(): void
  /** Resets all connections. New ones behave according to the current state. */
  cut(): void
  /** New connections lead to another port on loopback; open ones stay, as when a name is given to another server. */
  lead(to: number): void
  /** Ends one direction: tells one side of all connections that the other has finished, and still passes on what this side sends. */
  halfClose(side: 'client' | 'server'): void
  /** Passes everything on at once again, and listens. */
  normal(): Promise<void>
  /** Resets all connections and stops listening. */
  stop(): Promise<void>
}

/** The current behaviour. */
interface State {
  delay: number
  held: boolean
}

/** The most bytes in transit in one direction; a faster sender has to wait. */
const MOST_ON_THE_WAY = 1_000_000

/** Starts a proxy in front of a port on loopback. While nothing listens there, connections are accepted and reset. */
export async function startProxy(target: number): Promise<NetworkProxy> {
  const state: State = { delay: 0, held: false }
  const links = new Set<Link>()
  let to = target
  const port = await freePort()
  let accepted = 0
  let server: Server | undefined
  const listen = async (): Promise<void> => {
    server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      accepted++
      const link = new Link(client, to, state)
      links.add(link)
      link.ended.then(() => links.delete(link))
    })
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  const refuse = (): void => {
    server?.close()
    server = undefined
  }
  const cut = (): void => {
    for (const link of links) link.reset()
  }
  await listen()
  return {
    port,
    get accepted() {
      return accepted
    },
    get open() {
      return links.size
    },
    urlOf: (url) => url.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${port}`),
    delay: (ms) => {
      state.delay = ms
      for (const link of links) link.release()
    },
    blackHole: () => {
      state.held = true
      for (const link of links) link.hold()
    },
    refuse,
    cut,
    lead: (port) => {
      to = port
    },
    halfClose: (side) => {
      for (const link of links) link.halfClose(side)
    },
    normal: async () => {
      state.delay = 0
      state.held = false
      for (const link of links) link.release()
      if (server === undefined) await listen()
    },
    stop: async () => {
      refuse()
      cut()
      await Promise.all([...links].map((link) => link.ended))
    },
  }
}

/** A connection of a client, and our corresponding connection to the server. */
class Link {
  readonly ended: Promise<unknown>
  readonly #client: Socket
  readonly #server: Socket
  readonly #ways: readonly [Way, Way]

  constructor(client: Socket, target: number, state: State) {
    this.#client = client
    this.#server = createConnection({ host: '127.0.0.1', port: target, allowHalfOpen: true, noDelay: true })
    this.#ways = [new Way(client, this.#server, state), new Way(this.#server, client, state)]
    for (const socket of [client, this.#server]) {
      // An error on one side resets the other, too.
      socket.on('error', () => this.reset())
    }
    this.ended = Promise.all([client, this.#server].map(closed))
  }

  hold(): void {
    for (const way of this.#ways) way.hold()
  }

  release(): void {
    for (const way of this.#ways) way.release()
  }

  reset(): void {
    for (const way of this.#ways) way.drop()
    for (const socket of [this.#client, this.#server]) {
      // A socket that is not connected yet cannot be reset.
      if (socket.connecting) socket.destroy()
      else socket.resetAndDestroy()
    }
  }

  halfClose(side: 'client' | 'server'): void {
    const [toServer, toClient] = this.#ways
    const way = side === 'client' ? toClient : toServer
    way.finish()
  }
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()))
}

/** One direction of a connection: data read from one socket is written to the other, in order, when it is due. */
class Way {
  readonly #from: Socket
  readonly #to: Socket
  readonly #state: State
  readonly #queue: { readonly piece: Buffer | 'end'; readonly due: number }[] = []
  #bytes = 0
  #timer: NodeJS.Timeout | undefined
  /** The direction has been ended: data is no longer passed on. */
  #finished = false

  constructor(from: Socket, to: Socket, state: State) {
    this.#from = from
    this.#to = to
    this.#state = state
    from.on('data', (piece: Buffer) => this.#take(piece))
    from.on('end', () => this.#take('end'))
    to.on('drain', () => this.#flow())
    this.#flow()
  }

  hold(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#flow()
  }

  release(): void {
    this.#pass()
  }

  drop(): void {
    this.#finished = true
    clearTimeout(this.#timer)
    this.#queue.length = 0
    this.#bytes = 0
  }

  finish(): void {
    this.drop()
    this.#to.end()
  }

  #take(piece: Buffer | 'end'): void {
    if (this.#finished) return
    this.#queue.push({ piece, due: performance.now() + this.#state.delay })
    this.#bytes += piece.length
    if (this.#timer === undefined) this.#pass()
  }

  /** Passes on the data that is due. Data with a shorter delay does not overtake earlier data. */
  #pass(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    while (!this.#state.held) {
      const next = this.#queue[0]
      if (next === undefined) break
      const wait = Math.min(next.due - performance.now(), this.#state.delay)
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#pass(), wait)
        break
      }
      this.#queue.shift()
      this.#bytes -= next.piece.length
      if (next.piece === 'end') this.#to.end()
      else this.#to.write(next.piece)
    }
    this.#flow()
  }

  /** Reads on while the other side keeps up. */
  #flow(): void {
    const enough = this.#bytes > MOST_ON_THE_WAY || this.#to.writableNeedDrain
    if (this.#state.held || (enough && !this.#finished)) this.#from.pause()
    else this.#from.resume()
  }
}
