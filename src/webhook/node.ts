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
  readonly socket?: { readonly remoteAddress?: string | undefined } | null | undefined
  /** What a body parser in front has made of the body. */
  readonly body?: unknown
  on(event: 'data', listener: (chunk: Uint8Array) => void): unknown
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
  setHeader(name: string, value: string): unknown
  end(body?: string): unknown
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
  ) {}

  begin(): void {
    const { headers, method } = this.request
    const { door } = this
    const status = door.refusal(
      method,
      first(headers[SECRET_HEADER]),
      first(headers['content-length']),
      // Asking for it asks the system; an answer that nobody needs.
      door.asksWho ? this.request.socket?.remoteAddress : undefined,
      door.asksWho ? joined(headers['x-forwarded-for']) : undefined,
    )
    const { body } = this.request
    if (status !== 0) this.refuse(status)
    else if (body !== undefined && body !== null) this.given(body)
    else {
      this.request.on('data', (chunk) => this.take(chunk))
      this.request.on('end', () => this.ended())
    }
  }

  get gone(): boolean {
    return this.response.headersSent === true || this.response.destroyed === true
  }

  answer(status: number, json?: string): void {
    this.write(status, json, this.door.draining)
  }

  /** What is sent on after that is not read: the connection ends. */
  private refuse(status: number): void {
    this.write(status, undefined, true)
  }

  private write(status: number, json: string | undefined, last: boolean): void {
    const { response } = this
    if (response.headersSent === true) return
    try {
      response.statusCode = status
      if (last) response.setHeader('connection', 'close')
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

  /** A body parser was in front. Its bound holds, in place of ours. */
  private given(body: unknown): void {
    if (typeof body === 'string') this.door.receive(body, this)
    else if (body instanceof Uint8Array) this.door.receive(textOf(body), this)
    else this.door.take(body, this)
  }

  private take(chunk: Uint8Array): void {
    const { maxBody } = this.door
    const before = this.size
    this.size += chunk.length
    if (this.size > maxBody) {
      this.only = undefined
      this.pieces = undefined
      // Not when it has ended, which it need not. Node closes the connection behind the answer; where that is not done, whoever sends has to wait.
      if (before <= maxBody) this.refuse(413)
      else if (this.size > 2 * maxBody) this.request.pause?.()
    } else if (this.only === undefined) this.only = chunk
    else if (this.pieces === undefined) this.pieces = [this.only, chunk]
    else this.pieces.push(chunk)
  }

  private ended(): void {
    const { only, pieces, size, door } = this
    if (size > door.maxBody) return
    if (only === undefined) this.answer(400)
    else door.receive(textOf(pieces === undefined ? only : together(pieces, size)), this)
  }
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

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

function first(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' || value === undefined ? value : value[0]
}

/** Headers that come several times are one list. */
function joined(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' || value === undefined ? value : value.join(',')
}
