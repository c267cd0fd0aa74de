import { UNIX } from './addresses.js'
import { bodyIsGone } from './body.js'
import type { Recipient } from './delivery.js'
import type { Door } from './door.js'
import { SECRET_HEADER } from './secret.js'

/**
 * The part of a `node:http` request that a webhook reads. Compatible implementations work, too.
 *
 * @example
 * ```ts
 * import type { IncomingUpdate } from 'grammy-sentinel'
 * import type { IncomingMessage } from 'node:http'
 *
 * const asIncoming = (request: IncomingMessage): IncomingUpdate => request
 * ```
 */
export interface IncomingUpdate {
  readonly method?: string | undefined
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly socket?:
    | {
        readonly remoteAddress?: string | undefined
        readonly destroyed?: boolean
        readonly server?: { address?(): unknown } | null | undefined
      }
    | null
    | undefined
  /** The body as a body parser upstream has parsed it. */
  readonly body?: unknown
  /** The raw body, if code upstream has consumed and kept it. */
  readonly rawBody?: unknown
  /** Whether code upstream has read any of the body. */
  readonly readableDidRead?: boolean
  /** Whether code upstream has read the body to its end. */
  readonly readableEnded?: boolean
  /** The encoding that code upstream has set for the body. */
  readonly readableEncoding?: string | null
  on(event: 'data', listener: (chunk: Uint8Array | string) => void): unknown
  on(event: 'end' | 'close', listener: () => void): unknown
  /** Makes the sender wait. Called when more data arrives than is read. */
  pause?(): unknown
}

/**
 * The part of a `node:http` response that a webhook uses.
 *
 * @example
 * ```ts
 * import type { OutgoingAnswer } from 'grammy-sentinel'
 * import type { ServerResponse } from 'node:http'
 *
 * const asOutgoing = (response: ServerResponse): OutgoingAnswer => response
 * ```
 */
export interface OutgoingAnswer {
  statusCode: number
  /** True if code upstream has answered, perhaps because of its own time-out; then nothing more is written. */
  readonly headersSent?: boolean
  /** True if the client has gone. */
  readonly destroyed?: boolean
  /** Set for HTTP/2, whose streams end independently of their connection. */
  readonly stream?: {
    readonly destroyed?: boolean
    once?(event: 'finish', listener: () => void): unknown
    close?(): void
  }
  setHeader(name: string, value: string): unknown
  end(): unknown
  end(body: string): unknown
}

/** Whatever keeps the raw body if code upstream reads it: the request, or the request of a framework. */
export type BodyKeeper = Pick<IncomingUpdate, 'rawBody'>

/** The body as hooks of fastify have replaced it. */
export interface BodyStream
  extends Pick<IncomingUpdate, 'readableDidRead' | 'readableEnded' | 'readableEncoding' | 'pause'> {
  on(event: 'data', listener: (chunk: Uint8Array | string) => void): unknown
  on(event: 'end' | 'close', listener: () => void): unknown
  on(event: 'error', listener: (error: unknown) => void): unknown
}

/** A request of `node:http`, from its headers to its answer. */
export class NodeExchange implements Recipient {
  /** The body while it consists of one chunk, as nearly all do. */
  private only: Uint8Array | undefined
  private pieces: Uint8Array[] | undefined
  private size = 0

  constructor(
    private readonly door: Door,
    private readonly request: IncomingUpdate,
    private readonly response: OutgoingAnswer,
    private readonly made: BodyStream | undefined,
    private readonly keeper: BodyKeeper,
  ) {}

  begin(): void {
    const { headers, method } = this.request
    const { door } = this
    const status = door.refusal(
      method,
      first(headers[SECRET_HEADER]),
      first(headers['content-length']),
      // Read only if it is needed, because reading it takes a system call.
      door.asksWho ? peerOf(this.request.socket) : undefined,
      door.asksWho ? joined(headers['x-forwarded-for']) : undefined,
    )
    if (status === 0) this.receive()
    else this.refuse(status)
  }

  private receive(): void {
    const { source, parsed } = this
    if (parsed !== undefined && parsed !== null && !this.isUnparsed(parsed)) this.given(parsed)
    else if (!isRead(source)) this.read()
    else if (this.mayGrow(source)) this.atEnd(() => this.kept(), true)
    else this.kept()
  }

  /** Whether code upstream is still reading the body. What it has kept may be a part, unless that is as long as the sender said. */
  private mayGrow({ readableDidRead, readableEnded }: IncomingUpdate | BodyStream): boolean {
    if (readableDidRead !== true || readableEnded !== false) return false
    const { rawBody } = this
    const kept = typeof rawBody === 'string' ? encoder.encode(rawBody) : rawBody
    const length = Number(first(this.request.headers['content-length']) ?? Number.NaN)
    return !(kept instanceof Uint8Array && kept.length >= length)
  }

  /** Uses the body that code upstream has kept. */
  private kept(): void {
    const { rawBody, request } = this
    if (rawBody !== null) this.given(rawBody)
    // A client that left before its body was complete has no answer to read, and nothing is wrong with the middleware.
    else if (request.socket?.destroyed !== true) this.fail(bodyIsGone())
  }

  /** The body that code upstream has kept, with fastify on its request or on the request of Node. */
  private get rawBody(): unknown {
    return this.keeper.rawBody ?? this.request.rawBody ?? null
  }

  private get parsed(): unknown {
    try {
      return this.request.body
    } catch {
      // Vercel parses the body here, and throws if it is not JSON. No text is an update either.
      return ''
    }
  }

  private get source(): IncomingUpdate | BodyStream {
    return this.made ?? this.request
  }

  get gone(): boolean {
    const { headersSent, destroyed, stream } = this.response
    return headersSent === true || destroyed === true || stream?.destroyed === true
  }

  answer(status: number, json?: string): void {
    this.write(status, json, this.door.draining)
  }

  /** Rejects a request and ends its connection, or its stream with HTTP/2, since the rest of its body may remain unread. */
  private refuse(status: number): void {
    const { stream } = this.response
    stream?.once?.('finish', () => stream.close?.())
    this.write(status, undefined, true)
  }

  private write(status: number, json: string | undefined, last: boolean): void {
    const { response } = this
    if (response.headersSent === true) return
    try {
      response.statusCode = status
      // HTTP/2 has no such header.
      if (last && response.stream === undefined) response.setHeader('connection', 'close')
      if (status === 405) response.setHeader('allow', 'POST')
      if (status === 503) response.setHeader('retry-after', '1')
      if (json === undefined) {
        response.end()
        return
      }
      response.setHeader('content-type', 'application/json')
      response.end(json)
    } catch (error) {
      // Others that wait for the same update must be answered all the same.
      this.door.failed(error, 'webhook.answer')
    }
  }

  /** Whether the body was not parsed: express 4 leaves an empty object for content types it does not parse, and the body is unread. */
  private isUnparsed(body: unknown): boolean {
    return (
      this.request.readableDidRead === false &&
      typeof body === 'object' &&
      Object.keys(body ?? {}).length === 0
    )
  }

  private read(): void {
    this.source.on('data', (chunk) => this.add(chunk))
    this.atEnd(() => this.ended())
  }

  /**
   * Calls a function when the body has ended. What it throws is reported, since nobody would catch it. A body that is read
   * `upstream` may never end, because its reader may stop at a limit: the wait ends when the body is closed, and after `timeout`.
   */
  private atEnd(use: () => void, upstream = false): void {
    const { source, made, door } = this
    const fail = (error: unknown): void => this.fail(error)
    let callOff: (() => void) | undefined
    // Listeners run in the asynchronous context that reads the connection. With a promise created here, handlers run in the
    // context of the request instead: with its trace, and with what middleware upstream stores in an AsyncLocalStorage.
    void new Promise<void>((ended, broken) => {
      source.on('end', ended)
      // A stream that fails does not end, and an unhandled `error` event would end the process.
      made?.on('error', broken)
      if (!upstream) return
      source.on('close', ended)
      callOff = door.afterTimeout(ended)
    }).then(() => {
      callOff?.()
      try {
        use()
      } catch (error) {
        fail(error)
      }
    }, fail)
  }

  private fail(error: unknown): void {
    this.door.failed(error, 'webhook.body')
    this.refuse(500)
  }

  /** Receives a body from a body parser upstream, whose size limit applies instead of `maxBody`. */
  private given(body: unknown): void {
    if (typeof body === 'string') this.door.receive(body, this)
    else if (body instanceof Uint8Array) this.door.receive(textOf(body), this)
    else this.door.take(body, this)
  }

  private add(chunk: Uint8Array | string): void {
    const { maxBody } = this.door
    const bytes = typeof chunk === 'string' ? encoder.encode(chunk) : chunk
    const before = this.size
    this.size += bytes.length
    if (this.size > maxBody) {
      this.only = undefined
      this.pieces = undefined
      // Rejected at once, since the body may never end. Node then closes the connection; if it does not, reading is paused.
      if (before <= maxBody) this.refuse(413)
      else if (this.size > 2 * maxBody) this.source.pause?.()
    } else if (this.only === undefined) this.only = bytes
    else if (this.pieces === undefined) this.pieces = [this.only, bytes]
    else this.pieces.push(bytes)
  }

  /** Handles the complete body. */
  private ended(): void {
    const { only, pieces, size, door } = this
    if (size > door.maxBody) return
    if (only === undefined) this.answer(400)
    else door.receive(textOf(pieces === undefined ? only : together(pieces, size)), this)
  }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Whether the original bytes are lost: code upstream has read the body, or decodes it as text other than UTF-8. */
function isRead({ readableDidRead, readableEnded, readableEncoding }: IncomingUpdate | BodyStream): boolean {
  if (readableDidRead === true || readableEnded === true) return true
  return typeof readableEncoding === 'string' && !/^utf-?8$/i.test(readableEncoding)
}

/** Decodes UTF-8. Node's own buffers decode themselves, and faster. */
function textOf(bytes: Uint8Array): string {
  return 'utf8Slice' in bytes ? String(bytes) : decoder.decode(bytes)
}

function together(pieces: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

/** Returns the address of the peer, or UNIX for a Unix domain socket, where the server's address is a path. */
export function peerOf(socket: IncomingUpdate['socket']): string | undefined {
  if (socket?.remoteAddress !== undefined) return socket.remoteAddress
  // A socket that is closed has lost its address, and its answer is not read.
  if (socket?.destroyed === true) return ''
  return typeof socket?.server?.address?.() === 'string' ? UNIX : undefined
}

function first(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' || value === undefined ? value : value[0]
}

/** Joins a repeated header into one list. */
function joined(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' || value === undefined ? value : value.join(',')
}
