import { UNIX } from './addresses.js'
import { bodyIsGone } from './body.js'
import type { Recipient } from './delivery.js'
import type { Door } from './door.js'
import { SECRET_HEADER } from './secret.js'

/**
 * What a webhook reads of a request of `node:http`: Node's, and whatever imitates it.
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
        readonly server?: { address?(): unknown }
      }
    | null
    | undefined
  /** What a body parser in front has made of the body. */
  readonly body?: unknown
  /** What somebody in front has kept of the body that they have read. */
  readonly rawBody?: unknown
  /** Whether somebody in front has read any of the body. */
  readonly readableDidRead?: boolean
  /** Whether somebody in front has read it to its end. */
  readonly readableEnded?: boolean
  /** What somebody in front has had the body turned into text by. */
  readonly readableEncoding?: string | null
  on(event: 'data', listener: (chunk: Uint8Array | string) => void): unknown
  on(event: 'end', listener: () => void): unknown
  /** Has whoever sends wait. Called where more comes than is read. */
  pause?(): unknown
}

/**
 * What a webhook does with a response of `node:http`.
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
  /** Somebody in front has answered, a time-out of theirs perhaps: then nothing is written any longer. */
  readonly headersSent?: boolean
  /** Whoever asked has gone. */
  readonly destroyed?: boolean
  /** HTTP/2 has streams, which end without their connection. */
  readonly stream?: {
    readonly destroyed?: boolean
    once?(event: 'finish', listener: () => void): unknown
    close?(): void
  }
  setHeader(name: string, value: string): unknown
  end(): unknown
  end(body: string): unknown
}

/** What hooks of fastify have made of a request, to be read in its place. */
export interface BodyStream
  extends Pick<IncomingUpdate, 'readableDidRead' | 'readableEnded' | 'readableEncoding' | 'pause'> {
  on(event: 'data', listener: (chunk: Uint8Array | string) => void): unknown
  on(event: 'end', listener: () => void): unknown
  on(event: 'error', listener: (error: unknown) => void): unknown
}

/** A request of `node:http`, from its head to its answer. */
export class NodeExchange implements Recipient {
  /** As long as it came in one piece, as nearly all do. */
  private only: Uint8Array | undefined
  private pieces: Uint8Array[] | undefined
  private size = 0

  constructor(
    private readonly door: Door,
    private readonly request: IncomingUpdate,
    private readonly response: OutgoingAnswer,
    private readonly made?: BodyStream,
  ) {}

  begin(): void {
    const { headers, method } = this.request
    const { door } = this
    const status = door.refusal(
      method,
      first(headers[SECRET_HEADER]),
      first(headers['content-length']),
      // Asking for it asks the system; an answer that nobody needs.
      door.asksWho ? peerOf(this.request.socket) : undefined,
      door.asksWho ? joined(headers['x-forwarded-for']) : undefined,
    )
    const { body } = this.request
    if (status !== 0) this.refuse(status)
    else if (body !== undefined && body !== null && !this.isUnparsed(body)) this.given(body)
    else if (!isRead(this.source)) this.read()
    else if (this.request.rawBody !== undefined) this.given(this.request.rawBody)
    else this.fail(bodyIsGone())
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

  /** What is sent on after that is not read: the connection ends, of HTTP/2 the stream. */
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
      // HTTP/2 knows no such header.
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
      // Whoever else waits is to be answered all the same.
      this.door.failed(error, 'webhook.answer')
    }
  }

  /** Parsers leave an empty object, too, where a body is of no type of theirs (express 4): it is there to be read then. */
  private isUnparsed(body: unknown): boolean {
    return (
      this.request.readableDidRead === false &&
      typeof body === 'object' &&
      Object.keys(body ?? {}).length === 0
    )
  }

  private read(): void {
    const { source } = this
    source.on('data', (chunk) => this.take(chunk))
    // Listeners run in the asynchronous context of whatever reads the connection. Through a promise that is made here handlers run in the
    // one of the request: with its trace, and with what middleware in front keeps in an AsyncLocalStorage.
    void new Promise<void>((ended) => source.on('end', ended)).then(() => this.ended())
    // Where it breaks it has no end, and what nobody listens to ends the process.
    this.made?.on('error', (error) => this.fail(error))
  }

  private fail(error: unknown): void {
    this.door.failed(error, 'webhook.body')
    this.answer(500)
  }

  /** A body parser was in front. Its bound holds, in place of ours. */
  private given(body: unknown): void {
    if (typeof body === 'string') this.door.receive(body, this)
    else if (body instanceof Uint8Array) this.door.receive(textOf(body), this)
    else this.door.take(body, this)
  }

  private take(chunk: Uint8Array | string): void {
    const { maxBody } = this.door
    const bytes = typeof chunk === 'string' ? encoder.encode(chunk) : chunk
    const before = this.size
    this.size += bytes.length
    if (this.size > maxBody) {
      this.only = undefined
      this.pieces = undefined
      // Answered at once, since the body may never end. Node closes the connection after the answer. If it does not, reading pauses.
      if (before <= maxBody) this.refuse(413)
      else if (this.size > 2 * maxBody) this.source.pause?.()
    } else if (this.only === undefined) this.only = bytes
    else if (this.pieces === undefined) this.pieces = [this.only, bytes]
    else this.pieces.push(bytes)
  }

  /** Nothing is thrown: nobody would catch it. */
  private ended(): void {
    const { only, pieces, size, door } = this
    if (size > door.maxBody) return
    try {
      if (only === undefined) this.answer(400)
      else door.receive(textOf(pieces === undefined ? only : together(pieces, size)), this)
    } catch (error) {
      this.fail(error)
    }
  }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Whether it is no longer to be had as it was sent: somebody has read it, or has it turned into text that is not UTF-8. */
function isRead({ readableDidRead, readableEnded, readableEncoding }: IncomingUpdate | BodyStream): boolean {
  if (readableDidRead === true || readableEnded === true) return true
  return typeof readableEncoding === 'string' && !/^utf-?8$/i.test(readableEncoding)
}

/** Node's own bytes read themselves, and quicker. */
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

/** Who calls: an address, or that they do so by a socket of the file system, for which servers have a path in place of a port. */
export function peerOf(socket: IncomingUpdate['socket']): string | undefined {
  if (socket?.remoteAddress !== undefined) return socket.remoteAddress
  // Whoever has gone has no address any longer, and nobody looks at what they are answered.
  if (socket?.destroyed === true) return ''
  return typeof socket?.server?.address?.() === 'string' ? UNIX : undefined
}

function first(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' || value === undefined ? value : value[0]
}

/** Headers that come several times are one list. */
function joined(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' || value === undefined ? value : value.join(',')
}
