import { request } from 'node:http'
import type { Update, WebhookInfo } from 'grammy/types'
import type { Ms } from '../../core/duration.js'
import { badRequest } from '../world/refusal.js'
import type { PendingUpdate, UpdateQueue } from '../world/updates.js'

export interface WebhookSettings {
  readonly url: string
  readonly secretToken: string | undefined
  readonly maxConnections: number
}

export interface WebhookTiming {
  /** Wait before the first redelivery; it doubles with each further one. */
  readonly retry: Ms
  /** How long the bot may take to answer. */
  readonly timeout: Ms
}

/** However often a delivery failed, it is tried again after at most this many first waits. */
const LONGEST_BACKOFF = 64
const MAX_REPLY = 1024 * 1024

export const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '[::1]'])

/** @throws Refusal for an address outside this machine: the embedded Telegram never talks to the network. */
export function checkWebhookUrl(url: string): void {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch {
    throw badRequest('bad webhook: invalid webhook URL specified')
  }
  if (parsed.protocol !== 'http:' || !LOOPBACK.has(parsed.hostname))
    throw badRequest(
      'bad webhook: the embedded Telegram delivers only to http://127.0.0.1, localhost or [::1]',
    )
}

/**
 * Delivers one bot's updates by POST. Within a chat (or of a user, outside chats) they come in order, one after the
 * other; different chats go side by side over up to `max_connections`, as in Telegram.
 */
export class Webhook {
  readonly #lanes = new Map<string, { failures: number; timer?: NodeJS.Timeout }>()
  readonly #unwatch: () => void
  readonly #abort = new AbortController()
  #flights = 0
  #lastError: { date: number; message: string } | undefined

  constructor(
    readonly settings: WebhookSettings,
    private readonly queue: UpdateQueue,
    private readonly timing: WebhookTiming,
    private readonly date: () => number,
    /** Runs the method that a reply to a delivery may name. */
    private readonly perform: (reply: Record<string, unknown>) => void,
  ) {
    this.#unwatch = queue.watch(() => this.#deliver())
    // Not at once: the answer to setWebhook goes out first.
    setImmediate(() => this.#deliver())
  }

  info(): Pick<WebhookInfo, 'last_error_date' | 'last_error_message' | 'max_connections' | 'ip_address'> {
    return {
      max_connections: this.settings.maxConnections,
      ip_address: '127.0.0.1',
      ...(this.#lastError !== undefined && {
        last_error_date: this.#lastError.date,
        last_error_message: this.#lastError.message,
      }),
    }
  }

  close(): void {
    this.#unwatch()
    this.#abort.abort()
    for (const lane of this.#lanes.values()) clearTimeout(lane.timer)
    this.#lanes.clear()
  }

  #deliver(): void {
    if (this.#abort.signal.aborted) return
    const passedOver = new Set<string>()
    for (const entry of this.queue.pending()) {
      if (this.#flights >= this.settings.maxConnections) return
      const lane = laneOf(entry.update)
      if (this.#lanes.has(lane) || passedOver.has(lane)) continue
      passedOver.add(lane)
      this.#start(lane, entry, 0)
    }
  }

  #start(lane: string, entry: PendingUpdate, failures: number): void {
    this.#lanes.set(lane, { failures })
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
      (error: Error) => this.#fail(lane, entry, failures + 1, error.message),
    )
  }

  #land(lane: string): void {
    this.#flights--
    this.#lanes.delete(lane)
  }

  #fail(lane: string, entry: PendingUpdate, failures: number, message: string): void {
    this.#land(lane)
    if (this.#abort.signal.aborted) return
    this.#lastError = { date: this.date(), message }
    const wait = this.timing.retry * Math.min(2 ** (failures - 1), LONGEST_BACKOFF)
    const timer = setTimeout(() => {
      this.#lanes.delete(lane)
      if (this.queue.pending().has(entry)) this.#start(lane, entry, failures)
      else this.#deliver()
    }, wait)
    this.#lanes.set(lane, { failures, timer })
    this.#deliver()
  }

  /** Resolves with the method call in the reply, if there is one. */
  #send(update: Update): Promise<Record<string, unknown> | undefined> {
    const body = Buffer.from(JSON.stringify(update))
    const { url, secretToken } = this.settings
    return new Promise((resolve, reject) => {
      const outgoing = request(url, {
        method: 'POST',
        agent: false,
        signal: AbortSignal.any([this.#abort.signal, AbortSignal.timeout(this.timing.timeout)]),
        headers: {
          'content-type': 'application/json',
          'content-length': body.length,
          ...(secretToken !== undefined && { 'x-telegram-bot-api-secret-token': secretToken }),
        },
      })
      outgoing.on('error', (error) =>
        reject(
          error.name === 'AbortError' || error.name === 'TimeoutError'
            ? new Error('Read timeout expired')
            : error,
        ),
      )
      outgoing.on('response', (response) => {
        const chunks: Buffer[] = []
        let size = 0
        response.on('error', reject)
        response.on('data', (chunk: Buffer) => {
          size += chunk.length
          if (size <= MAX_REPLY) chunks.push(chunk)
        })
        response.on('end', () => {
          const status = response.statusCode ?? 0
          if (status < 200 || status > 299)
            reject(
              new Error(`Wrong response from the webhook: ${status} ${response.statusMessage ?? ''}`.trim()),
            )
          else resolve(methodIn(Buffer.concat(chunks)))
        })
      })
      outgoing.end(body)
    })
  }
}

function methodIn(body: Buffer): Record<string, unknown> | undefined {
  if (body[0] !== 0x7b) return undefined
  try {
    const reply: unknown = JSON.parse(body.toString('utf8'))
    return typeof reply === 'object' && reply !== null && 'method' in reply
      ? (reply as Record<string, unknown>)
      : undefined
  } catch {
    // Telegram takes a reply that it cannot read for a plain "received".
    return undefined
  }
}

/** Telegram orders by chat, and by user for what happens outside chats. */
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
