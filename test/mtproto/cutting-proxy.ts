import { connect, createServer, type Server, type Socket } from 'node:net'

/** A frame: its sender, its kind, and its number among all frames of all connections. */
export interface Passing {
  readonly from: 'client' | 'server'
  /** `plain` and the number of the constructor, for key exchanges; or `encrypted`. */
  readonly kind: string
  readonly nth: number
}

/** A proxy for the intermediate transport that drops one frame and cuts the connection instead. */
export class CuttingProxy {
  /** All frames so far. */
  readonly seen: Passing[] = []
  /** The frame that was dropped. */
  cut: Passing | undefined
  port = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(
    private readonly target: number,
    /** The number of the frame to drop. */
    public victim: number,
  ) {
    this.#server = createServer((socket) => this.#join(socket))
  }

  /** Starts a proxy that cuts the connection once, in place of frame number `victim`; 0: never. */
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

  /** `opening`: the number of bytes before the first frame. */
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

  /** Records a frame, and returns whether it is the one to cut. */
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
