import type { Update, WebhookInfo } from 'grammy/types'
import type { Ms } from '../../core/duration.js'
import { Refusal } from '../world/refusal.js'
import type { PendingUpdate, UpdateQueue } from '../world/updates.js'
import { parseBody } from './request.js'
import type { Reply, WebhookHosts } from './webhook-delivery.js'

export interface WebhookSettings {
  readonly url: string
  readonly secretToken: string | undefined
  readonly maxConnections: number
  readonly ipAddress: string | undefined
  readonly hasCertificate: boolean
}

export interface WebhookTiming {
  /** Wait before the first redelivery; doubles with each further one. */
  readonly retry: Ms
  /** Time limit for the bot's response. */
  readonly timeout: Ms
}

/** Maximum wait between redeliveries, as a multiple of the first wait. */
const LONGEST_BACKOFF = 64

/**
 * Delivers a bot's updates by POST. Updates of one chat (or of one user, outside chats) are delivered one after the other;
 * different chats in parallel, up to `max_connections`, as in Telegram.
 */
export class Webhook {
  /** Chats with a delivery on its way, or waiting for the timer of its repetition. */
  readonly #lanes = new Map<string, NodeJS.Timeout | undefined>()
  readonly #unwatch: () => void
  readonly #abort = new AbortController()
  #flights = 0
  #lastError: { date: number; message: string } | undefined

  constructor(
    readonly settings: WebhookSettings,
    private readonly queue: UpdateQueue,
    private readonly timing: WebhookTiming,
    private readonly hosts: WebhookHosts,
    private readonly date: () => number,
    /** Executes the method call in a reply to a delivery. */
    private readonly perform: (reply: ReadonlyMap<string, unknown>) => void,
  ) {
    this.#unwatch = queue.changed.add(() => this.#deliver())
    // Deferred, so that the response to setWebhook is sent first.
    setImmediate(() => this.#deliver())
  }

  info(): Omit<WebhookInfo, 'url' | 'pending_update_count'> {
    return {
      has_custom_certificate: this.settings.hasCertificate,
      max_connections: this.settings.maxConnections,
      ip_address: this.settings.ipAddress ?? '127.0.0.1',
      ...(this.#lastError !== undefined && {
        last_error_date: this.#lastError.date,
        last_error_message: this.#lastError.message,
      }),
    }
  }

  close(): void {
    this.#unwatch()
    this.#abort.abort()
    for (const timer of this.#lanes.values()) clearTimeout(timer)
    this.#lanes.clear()
  }

  #deliver(): void {
    if (this.#abort.signal.aborted) return
    for (const entry of this.queue.pending()) {
      if (this.#flights >= this.settings.maxConnections) return
      const lane = laneOf(entry.update)
      if (!this.#lanes.has(lane)) this.#start(lane, entry, 0)
    }
  }

  #start(lane: string, entry: PendingUpdate, failures: number): void {
    this.#lanes.set(lane, undefined)
    this.#flights++
    entry.handedOut = true
    this.#send(entry.update).then(
      (reply) => {
        this.#land(lane)
        if (this.#abort.signal.aborted) return
        if (reply !== undefined) this.perform(reply)
        this.queue.remove(entry)
        this.#deliver()
      },
      (error: unknown) => {
        const message = error instanceof Error ? error.message : String(error)
        this.#fail(lane, entry, failures + 1, { message, after: error instanceof Busy ? error.after : 0 })
      },
    )
  }

  #land(lane: string): void {
    this.#flights--
    this.#lanes.delete(lane)
  }

  #fail(lane: string, entry: PendingUpdate, failures: number, why: { message: string; after: Ms }): void {
    this.#land(lane)
    if (this.#abort.signal.aborted) return
    const { message, after } = why
    this.#lastError = { date: this.date(), message }
    const wait = after || this.timing.retry * Math.min(2 ** (failures - 1), LONGEST_BACKOFF)
    const timer = setTimeout(() => {
      this.#lanes.delete(lane)
      if (this.queue.pending().has(entry)) this.#start(lane, entry, failures)
      else this.#deliver()
    }, wait)
    this.#lanes.set(lane, timer)
    this.#deliver()
  }

  /** Resolves with the method call in the reply, if any. */
  async #send(update: Update): Promise<ReadonlyMap<string, unknown> | undefined> {
    const { url, secretToken } = this.settings
    const { signal } = this.#abort
    const hangUp = new AbortController()
    const stop = () => hangUp.abort()
    signal.addEventListener('abort', stop)
    const timer = setTimeout(stop, this.timing.timeout)
    try {
      const reply = await this.hosts.deliver({
        url,
        headers: {
          'content-type': 'application/json',
          ...(secretToken !== undefined && { 'x-telegram-bot-api-secret-token': secretToken }),
        },
        body: Buffer.from(JSON.stringify(update)),
        signal: hangUp.signal,
      })
      if (reply.status < 200 || reply.status > 299)
        throw new Busy(
          `Wrong response from the webhook: ${reply.status} ${reply.words}`.trim(),
          reply.retryAfter * 1000,
        )
      return methodIn(reply)
    } catch (error) {
      throw hangUp.signal.aborted ? new Error('Read timeout expired', { cause: error }) : error
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
    }
  }
}

/** A failed delivery, with the delay that the webhook asked for (0 if none). */
class Busy extends Error {
  override readonly name = 'Busy'

  constructor(
    message: string,
    readonly after: Ms,
  ) {
    super(message)
  }
}

/** Parses the method call in a reply, in any encoding allowed for calls. */
function methodIn({ body, type }: Reply): ReadonlyMap<string, unknown> | undefined {
  if (body.length === 0) return undefined
  try {
    // Many frameworks send JSON as text/plain.
    const isJson = body[0] === 0x7b && !/form/.test(type)
    const reply = new Map(parseBody(body, isJson ? 'application/json' : type))
    return typeof reply.get('method') === 'string' ? reply : undefined
  } catch (error) {
    // Telegram treats an unreadable reply as a plain confirmation.
    if (error instanceof Refusal) return undefined
    throw error
  }
}

/** Key of updates delivered in order: the chat, or the user for updates outside chats. */
function laneOf(update: Update): string {
  for (const [kind, payload] of Object.entries(update)) {
    if (kind === 'update_id' || typeof payload !== 'object' || payload === null) continue
    const { chat, from, user, message } = payload as {
      chat?: { id: number }
      from?: { id: number }
      user?: { id: number }
      message?: { chat?: { id: number } }
    }
    return String(chat?.id ?? message?.chat?.id ?? from?.id ?? user?.id ?? kind)
  }
  return ''
}
