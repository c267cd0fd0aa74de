import { createHash } from 'node:crypto'
import { Buffered, FramingError, MOST_FRAME } from '../../../mtproto/protocol/framing.js'

/**
 * WebSocket paths of Telegram: for users, Premium users, and the test servers
 * (https://core.telegram.org/mtproto/transports#uri-format).
 */
const PATHS: ReadonlySet<string> = new Set(['/apiws', '/apiws_premium', '/apiws_test', '/apiws_test_premium'])
/** GUID of the handshake (RFC 6455, 1.3). */
const ACCEPTS = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
/** Maximum size of the request head, about ten times what browsers send. */
const LONGEST_HEAD = 8192
/** "All control frames MUST have a payload length of 125 bytes or less" (RFC 6455, 5.5). */
const LONGEST_CONTROL = 125
/** Maximum number of frames per message; MTProto needs one. */
const MOST_FRAGMENTS = 1024

const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10] as const
/** Close codes (RFC 6455, 7.4.1). */
const [NORMAL, PROTOCOL_ERROR, UNSUPPORTED, POLICY, TOO_BIG] = [1000, 1002, 1003, 1008, 1009] as const

/** Whether a connection begins with an HTTP method; MTProto transports never do. */
export function isHttp(start: Buffer): boolean {
  const method = start.toString('latin1', 0, 4)
  return method === 'GET ' || method === 'POST' || method === 'HEAD' || method === 'OPTI'
}

/** An HTTP request other than a WebSocket upgrade, or a violation of RFC 6455. The client gets `farewell`, and the connection ends. */
export class WebSocketError extends FramingError {
  constructor(
    message: string,
    /** Last bytes to send to the client. */
    readonly farewell: Buffer,
  ) {
    super(message)
  }
}

/** The server side of a WebSocket (RFC 6455) that carries MTProto, for browsers. */
export class WebSocketEnd {
  readonly #buffered = new Buffered()
  #isOpen = false
  /** Number of frames and bytes of the current message. */
  #fragments = 0
  #length = 0

  /** `answer` sends bytes to the client unchanged. */
  constructor(private readonly answer: (bytes: Buffer) => void) {}

  /** Decodes received bytes into message payloads. Throws {@link WebSocketError} for violations of the protocol. */
  incoming(chunk: Buffer): Buffer {
    this.#buffered.push(chunk)
    if (!this.#isOpen && !this.#upgrade()) return Buffer.alloc(0)
    const parts: Buffer[] = []
    for (;;) {
      const part = this.#next()
      if (part === undefined) break
      parts.push(part)
    }
    return Buffer.concat(parts)
  }

  /** Encodes data as one binary message. */
  outgoing(data: Buffer): Buffer {
    return frame(BINARY, data)
  }

  #upgrade(): boolean {
    const start = this.#buffered.peek(LONGEST_HEAD + 4)
    const end = start.indexOf('\r\n\r\n')
    if (end < 0) {
      if (start.length > LONGEST_HEAD) throw refusal(431, 'Request Header Fields Too Large')
      return false
    }
    const [request = '', ...lines] = this.#buffered
      .take(end + 4)
      .toString('latin1')
      .trimEnd()
      .split('\r\n')
    const headers = new Map<string, string>()
    for (const line of lines) {
      const colon = line.indexOf(':')
      const name = line.slice(0, Math.max(0, colon)).toLowerCase()
      const value = line.slice(colon + 1).trim()
      headers.set(name, headers.has(name) ? `${headers.get(name)}, ${value}` : value)
    }
    this.answer(accepted(request, headers))
    this.#isOpen = true
    return true
  }

  /** Returns the payload of the next data frame once it is complete. */
  #next(): Buffer | undefined {
    for (;;) {
      const head = this.#buffered.peek(14)
      if (head.length < 2) return undefined
      const [first, second] = [head[0] as number, head[1] as number]
      const code = first & 15
      const short = second & 127
      // The reserved bits must be zero, because no extension was negotiated, and client frames must be masked.
      if ((first & 0x70) !== 0 || (second & 128) === 0) throw closing(PROTOCOL_ERROR, 'bits that may not be')
      const size = short === 127 ? 8 : short === 126 ? 2 : 0
      if (head.length < 2 + size + 4) return undefined
      const length = size === 0 ? short : size === 2 ? head.readUInt16BE(2) : Number(head.readBigUInt64BE(2))
      this.#check(code, (first & 128) !== 0, length)
      const header = 2 + size + 4
      if (this.#buffered.length < header + length) return undefined
      const mask = Buffer.from(this.#buffered.take(header).subarray(header - 4))
      const payload = unmasked(this.#buffered.take(length), mask)
      if (code < CLOSE) {
        this.#note((first & 128) !== 0, length)
        return payload
      }
      if (code === CLOSE) throw new WebSocketError('the client closes', frame(CLOSE, payload.subarray(0, 2)))
      if (code === PING) this.answer(frame(PONG, payload))
    }
  }

  #check(code: number, isLast: boolean, length: number): void {
    if (code >= CLOSE) {
      if (code > PONG || !isLast || length > LONGEST_CONTROL)
        throw closing(PROTOCOL_ERROR, 'no control frame')
      return
    }
    if (code === TEXT) throw closing(UNSUPPORTED, 'text')
    const isWithin = this.#fragments > 0
    // A message can only be continued by continuation frames.
    if ((code !== BINARY && code !== CONTINUATION) || isWithin !== (code === CONTINUATION)) {
      throw closing(PROTOCOL_ERROR, `a frame of kind ${code} where none may be`)
    }
    if (length + this.#length > MOST_FRAME * 2 || this.#fragments >= MOST_FRAGMENTS) {
      throw closing(TOO_BIG, 'too much in one message')
    }
  }

  #note(isLast: boolean, length: number): void {
    this.#fragments = isLast ? 0 : this.#fragments + 1
    this.#length = isLast ? 0 : this.#length + length
  }
}

/** The frame that closes a connection normally. */
export function goodbye(): Buffer {
  return closingFrame(NORMAL)
}

/** The error for payloads that violate MTProto's rules. */
export function policy(message: string): WebSocketError {
  return closing(POLICY, message)
}

function accepted(request: string, headers: ReadonlyMap<string, string>): Buffer {
  const [method, target = '', version] = request.split(' ')
  const has = (name: string, word: string) =>
    (headers.get(name) ?? '').split(',').some((each) => each.trim().toLowerCase() === word)
  if (version !== 'HTTP/1.1') throw refusal(505, 'HTTP Version Not Supported')
  if (!PATHS.has(target.split('?')[0] as string)) throw refusal(404, 'Not Found')
  if (method !== 'GET') throw refusal(405, 'Method Not Allowed', 'Allow: GET')
  if (!has('upgrade', 'websocket') || !has('connection', 'upgrade')) {
    throw refusal(426, 'Upgrade Required', 'Upgrade: websocket')
  }
  if (headers.get('sec-websocket-version') !== '13') {
    throw refusal(426, 'Upgrade Required', 'Sec-WebSocket-Version: 13')
  }
  const key = headers.get('sec-websocket-key') ?? ''
  if (!/^[A-Za-z0-9+/]{22}==$/.test(key)) throw refusal(400, 'Bad Request')
  // "The `binary` subprotocol must be given."
  if (!has('sec-websocket-protocol', 'binary')) throw refusal(400, 'Bad Request')
  const accept = createHash('sha1')
    .update(key + ACCEPTS)
    .digest('base64')
  return Buffer.from(
    [
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${accept}`,
      'Sec-WebSocket-Protocol: binary',
      '\r\n',
    ].join('\r\n'),
  )
}

function refusal(code: number, reason: string, header = 'X-Content-Type-Options: nosniff'): WebSocketError {
  const lines = [`HTTP/1.1 ${code} ${reason}`, header, 'Connection: close', 'Content-Length: 0', '\r\n']
  return new WebSocketError(`HTTP is answered with ${code}`, Buffer.from(lines.join('\r\n')))
}

function closing(code: number, message: string): WebSocketError {
  return new WebSocketError(message, closingFrame(code))
}

function closingFrame(code: number): Buffer {
  const payload = Buffer.alloc(2)
  payload.writeUInt16BE(code)
  return frame(CLOSE, payload)
}

/** Builds a server frame: unfragmented and unmasked. */
function frame(code: number, payload: Buffer): Buffer {
  const { length } = payload
  const size = length < 126 ? 0 : length < 65_536 ? 2 : 8
  const bytes = Buffer.allocUnsafe(2 + size + length)
  bytes[0] = 128 | code
  bytes[1] = size === 0 ? length : size === 2 ? 126 : 127
  if (size === 2) bytes.writeUInt16BE(length, 2)
  if (size === 8) bytes.writeBigUInt64BE(BigInt(length), 2)
  bytes.set(payload, 2 + size)
  return bytes
}

function unmasked(payload: Buffer, mask: Buffer): Buffer {
  const bytes = Buffer.from(payload)
  for (let i = 0; i < bytes.length; i++) bytes[i] = (bytes[i] as number) ^ (mask[i & 3] as number)
  return bytes
}
