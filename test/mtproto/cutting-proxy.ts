import { connect, createServer, type Server, type Socket } from 'node:net'

/** Whose frame, of what kind, and the how-many-th on all connections. */
export interface Passing {
  readonly from: 'client' | 'server'
  /** `plain`, of an exchange of keys, with the number of its constructor; or `encrypted`. */
  readonly kind: string
  readonly nth: number
}

/** Stands between a client that speaks the intermediate transport and a server, and cuts the connection in place of one frame. */
export class CuttingProxy {
  /** All frames that came by. */
  readonly seen: Passing[] = []
  /** The frame that was cut off. */
  cut: Passing | undefined
  port = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(
    private readonly target: number,
    private readonly victim: number,
  ) {
    this.#server = createServer((socket) => this.#join(socket))
  }

  /** Cuts at the `victim`-th frame, once; 0: never. */
  static async listen(target: number, victim: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(target, victim)
    await new Promise<void>((done) => proxy.#server.listen(0, '127.0.0.1', done))
    proxy.port = (proxy.#server.address() as { port: number }).port
    return proxy
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise<void>((done) => this.#server.close(() => done()))
  }

  #join(client: Socket): void {
    const server = connect(this.target, '127.0.0.1')
    const both = [client, server]
    const end = () => {
      for (const socket of both) {
        socket.destroy()
        this.#sockets.delete(socket)
      }
    }
    for (const socket of both) {
      this.#sockets.add(socket)
      socket.on('error', end).on('close', end)
    }
    this.#forward('client', client, server, end, 4)
    this.#forward('server', server, client, end, 0)
  }

  /** `opening`: so many bytes come before the first frame. */
  #forward(from: Passing['from'], source: Socket, target: Socket, end: () => void, opening: number): void {
    let data = Buffer.alloc(0)
    let left = opening
    source.on('data', (chunk) => {
      data = Buffer.concat([data, chunk])
      for (;;) {
        const length = left > 0 ? left : data.length < 4 ? 4 : 4 + data.readUInt32LE(0)
        if (data.length < length || data.length === 0) return
        const frame = data.subarray(0, length)
        data = data.subarray(length)
        if (left > 0) left = 0
        else if (this.#passes(from, frame)) {
          end()
          return
        }
        target.write(frame)
      }
    })
  }

  /** Whether it is the one. */
  #passes(from: Passing['from'], frame: Buffer): boolean {
    const isPlain = frame.length >= 28 && frame.readBigUInt64LE(4) === 0n
    const kind = isPlain ? `plain ${frame.readUInt32LE(24).toString(16)}` : 'encrypted'
    const passing: Passing = { from, kind, nth: this.seen.length + 1 }
    this.seen.push(passing)
    if (passing.nth !== this.victim) return false
    this.cut = passing
    return true
  }
}
