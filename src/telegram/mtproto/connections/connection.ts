import type { Socket } from 'node:net'
import type { Ms } from '../../../core/duration.js'
import {
  Buffered,
  type Frame,
  FramingError,
  MOST_FRAME,
  type Opening,
  openingOf,
} from '../../../mtproto/protocol/framing.js'
import { decrypt, type Envelope, encrypt } from '../../../mtproto/protocol/message.js'
import { TlError, type TlObject } from '../../../mtproto/protocol/tl/object.js'
import { TlReader } from '../../../mtproto/protocol/tl/reader.js'
import { encodeObject } from '../../../mtproto/protocol/tl/writer.js'
import type { AuthKey } from '../sessions/auth-keys.js'
import type { KeyExchange } from '../sessions/key-exchange.js'
import { type TransportCode, TransportError } from '../sessions/transport-error.js'
import type { Wire } from '../sessions/wire.js'
import type { ConnectionHost } from './connection-host.js'
import { goodbye, isHttp, policy, WebSocketEnd, WebSocketError } from './websocket.js'

/** Maximum number of bytes buffered for a client that does not read. */
const MOST_UNREAD = 16 * 1024 * 1024

/** A client's connection: detects the framing, exchanges a key, and passes on encrypted messages. */
export class Connection implements Wire {
  readonly #buffered = new Buffered()
  readonly #exchange: KeyExchange
  /** The WebSocket layer, if the client connected by HTTP. */
  #web: WebSocketEnd | undefined
  #opening: Opening | undefined
  /** Cancels the time limit for the first encrypted message. */
  #callOffHandshake: (() => void) | undefined
  #callOff: (() => void) | undefined
  #callOffWatch: (() => void) | undefined
  /** Whether data arrived since the last check for silence. */
  #heard = false

  constructor(
    private readonly server: ConnectionHost,
    private readonly socket: Socket,
    /** Too many connections: this one gets an error as soon as its framing is known. */
    private readonly refused = false,
  ) {
    this.#exchange = server.newKeyExchange()
    socket.on('data', (chunk) => this.#receive(chunk))
    // Any error ends the connection.
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      this.#callOff?.()
      this.#callOffHandshake?.()
      this.#callOffWatch?.()
    })
    socket.setNoDelay(true)
    const { timers, handshake } = server.limits
    this.#callOffHandshake = timers.after(handshake, () => this.close())
    this.#watch()
  }

  send(key: AuthKey, envelope: Envelope): void {
    this.#write(encrypt(key.key, envelope, 'server'))
  }

  closeAfter(ms: Ms): void {
    this.#callOff?.()
    this.#callOff = this.server.limits.timers.after(ms, () => this.close())
  }

  close(): void {
    if (this.#web === undefined) this.socket.destroy()
    else this.#leave(goodbye())
  }

  /** Closes the connection after a period of silence. */
  #watch(): void {
    const { timers, silence } = this.server.limits
    this.#callOffWatch = timers.after(silence, () => {
      if (!this.#heard) {
        this.close()
        return
      }
      this.#heard = false
      this.#watch()
    })
  }

  #receive(chunk: Buffer): void {
    if (this.socket.writableEnded) return
    this.#heard = true
    try {
      const data = this.#web?.incoming(chunk) ?? chunk
      this.#buffered.push(this.#opening?.veil?.incoming(data) ?? data)
      if (this.#opening === undefined && !this.#open()) return
      if (this.refused) throw new TransportError(-429)
      for (;;) {
        const frame = this.#opening?.framing.next(this.#buffered)
        if (frame === undefined) break
        this.#handle(frame)
      }
      if (this.#buffered.length > MOST_FRAME * 2) throw new FramingError('too much at once')
    } catch (error) {
      // Clients that violate the protocol get no error message, except over WebSocket, which has close codes.
      if (error instanceof WebSocketError) this.#leave(error.farewell)
      else if (error instanceof TransportError) this.#end(error.code)
      else if (error instanceof FramingError || error instanceof TlError) this.close()
      else throw error
    }
  }

  #leave(farewell: Buffer): void {
    if (this.socket.writableEnded || this.socket.destroyed) return
    this.socket.end(farewell, () => this.socket.destroy())
  }

  #open(): boolean {
    if (this.#web === undefined && this.#buffered.length >= 4 && isHttp(this.#buffered.peek(4))) {
      this.#web = new WebSocketEnd((bytes) => this.socket.write(bytes))
      this.#buffered.push(this.#web.incoming(this.#buffered.take(this.#buffered.length)))
    }
    const opening = openingOf(this.#buffered)
    if (opening === undefined) return false
    // "WebSocket: obfuscation is required" (https://core.telegram.org/mtproto/transports#websocket).
    if (this.#web !== undefined && opening.veil === undefined) throw policy('not obfuscated')
    this.#opening = opening
    const rest = this.#buffered.take(this.#buffered.length)
    this.#buffered.push(opening.veil?.incoming(rest) ?? rest)
    return true
  }

  #handle({ payload, quickAck }: Frame): void {
    if (payload.length < 8) throw new FramingError('a frame without a key')
    const keyId = payload.readBigUInt64LE(0)
    if (keyId === 0n) {
      this.#handlePlain(payload)
      return
    }
    const key = this.server.keys.find(keyId, this.server.now())
    // "-404: the auth key is not known" (https://core.telegram.org/mtproto/mtproto-transports#transport-errors).
    if (key === undefined) {
      this.#fail(-404)
      return
    }
    // Bytes after the last full block are padding of the transport.
    const encrypted = payload.subarray(0, payload.length - ((payload.length - 24) % 16))
    const envelope = decrypt(key.key, encrypted, 'client')
    if (envelope === undefined) {
      this.#fail(-404)
      return
    }
    if (quickAck) this.#acknowledge(envelope.token)
    this.#callOffHandshake?.()
    this.server.sessions.of(key, envelope).receive(envelope, this)
  }

  #handlePlain(payload: Buffer): void {
    if (payload.length < 20) throw new FramingError('a message without a header')
    const length = payload.readUInt32LE(16)
    if (length === 0 || length % 4 !== 0 || length > payload.length - 20)
      throw new FramingError('a wrong length')
    const request = new TlReader(this.server.schema, payload.subarray(20, 20 + length)).object()
    if (request._ === 'mt_msgs_ack') return
    this.#answer(this.#exchange.answer(request))
  }

  #answer(object: TlObject): void {
    const body = encodeObject(this.server.schema, object)
    const message = Buffer.alloc(20 + body.length)
    message.writeBigUInt64LE(this.server.messageIds.next(true), 8)
    message.writeUInt32LE(body.length, 16)
    message.set(body, 20)
    this.#write(message)
  }

  #acknowledge(token: number): void {
    const bytes = (this.#opening as Opening).framing.acknowledge(token)
    if (bytes.length > 0) this.#out(bytes)
  }

  /** Sends a final transport error and closes the connection. */
  #end(code: TransportCode): void {
    this.#fail(code)
    this.#leave(this.#web === undefined ? Buffer.alloc(0) : goodbye())
  }

  #fail(code: TransportCode): void {
    const message = Buffer.alloc(4)
    message.writeInt32LE(code)
    this.#write(message)
  }

  #write(payload: Buffer): void {
    if (this.socket.destroyed || this.socket.writableEnded) return
    // A client that does not read is disconnected, so that memory stays bounded.
    if (this.socket.writableLength > MOST_UNREAD) {
      this.close()
      return
    }
    this.#out((this.#opening as Opening).framing.wrap(payload))
  }

  #out(bytes: Buffer): void {
    const veiled = (this.#opening as Opening).veil?.outgoing(bytes) ?? bytes
    this.socket.write(this.#web?.outgoing(veiled) ?? veiled)
  }
}
