import { connect, type Socket } from 'node:net'
import { Buffered, intermediate } from '../../../protocol/framing.js'

/** Time limit for an answer to an unencrypted message. */
const PATIENCE = 20_000
const HEADER = 20

/** A connection for unencrypted messages, one request and answer at a time. */
export class PlainLine {
  readonly #buffered = new Buffered()
  #waiting: { readonly done: (answer: Buffer) => void; readonly failed: (error: Error) => void } | undefined
  #lastId = 0n

  private constructor(private readonly socket: Socket) {
    socket.on('data', (chunk) => {
      try {
        this.#buffered.push(chunk)
        const frame = intermediate.next(this.#buffered)
        if (frame !== undefined) this.#answered(frame.payload)
      } catch (error) {
        socket.destroy(error as Error)
      }
    })
    socket.on('error', (error) => this.#failed(error))
    socket.on('close', () => this.#failed(new Error('the connection was closed')))
    socket.setTimeout(PATIENCE, () => socket.destroy(new Error('no answer')))
  }

  /** Connects; aborting the signal closes the connection at any time. */
  static async connect(host: string, port: number, signal?: AbortSignal): Promise<PlainLine> {
    const socket = connect({ port, host, ...(signal !== undefined && { signal }) })
    await new Promise<void>((done, failed) => socket.once('connect', done).once('error', failed))
    // "0xeeeeeeee before anything else" (https://core.telegram.org/mtproto/mtproto-transports#intermediate).
    socket.write(Buffer.from('eeeeeeee', 'hex'))
    return new PlainLine(socket)
  }

  ask(body: Buffer): Promise<Buffer> {
    const message = Buffer.alloc(HEADER + body.length)
    message.writeBigUInt64LE(this.#nextId(), 8)
    message.writeUInt32LE(body.length, 16)
    message.set(body, HEADER)
    return new Promise((done, failed) => {
      if (this.socket.destroyed) {
        failed(new Error('the connection was closed'))
        return
      }
      this.#waiting = { done, failed }
      this.socket.write(intermediate.wrap(message))
    })
  }

  close(): void {
    this.socket.destroy()
  }

  #answered(payload: Buffer): void {
    // A payload of four bytes is a transport error.
    if (payload.length === 4) throw new Error(`transport error ${payload.readInt32LE()}`)
    const length = payload.length < HEADER ? -1 : payload.readUInt32LE(16)
    if (length < 0 || length > payload.length - HEADER) throw new Error('an incomplete answer')
    this.#waiting?.done(payload.subarray(HEADER, HEADER + length))
    this.#waiting = undefined
  }

  #failed(error: Error): void {
    this.#waiting?.failed(error)
    this.#waiting = undefined
  }

  #nextId(): bigint {
    const now = (BigInt(Date.now()) << 32n) / 1000n
    const id = (now >> 2n) << 2n
    this.#lastId = id > this.#lastId ? id : this.#lastId + 4n
    return this.#lastId
  }
}
