import { request } from 'node:http'
import { SentinelError } from '../../core/errors.js'
import { badRequest } from '../world/refusal.js'

/** A delivery to a webhook. */
interface Delivery {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** Aborted when the delivery is no longer waited for. */
  readonly signal: AbortSignal
}

/** The webhook's response. */
export interface Reply {
  readonly status: number
  readonly words: string
  /** Content type; empty if there is none. */
  readonly type: string
  /** Seconds from the `Retry-After` header, at most an hour; 0 without the header. */
  readonly retryAfter: number
  readonly body: Buffer
}

/**
 * Handles webhook requests inside the process: the result of `webhookCallback(bot, 'std/http')`, Hono's `app.fetch`, or your own
 * function.
 *
 * @example
 * ```ts
 * import { Bot, webhookCallback } from 'grammy'
 * import { createTelegram, type WebhookHandler } from 'grammy-sentinel/testing'
 *
 * const telegram = createTelegram()
 * const account = telegram.createBot({ username: 'hooked_bot' })
 * const bot = new Bot(account.token, account.config)
 * const handler: WebhookHandler = webhookCallback(bot, 'std/http')
 * telegram.hosts('https://bot.example/hook', handler)
 * await bot.api.setWebhook('https://bot.example/hook')
 * await telegram.close()
 * ```
 */
export type WebhookHandler = (request: Request) => Response | Promise<Response>

const MAX_REPLY = 1024 * 1024

/** Ports where Telegram delivers; empty for 443, the default of HTTPS. */
const PORTS: ReadonlySet<string> = new Set(['', '80', '88', '8443'])

export const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '[::1]'])

/** Delivers to handlers inside the process by URL, and to loopback addresses otherwise. */
export class WebhookHosts {
  readonly #handlers = new Map<string, WebhookHandler>()

  /** @throws SentinelError `telegram.invalid` if `url` is not a URL. */
  add(url: string, handler: WebhookHandler): () => void {
    if (!URL.canParse(url))
      throw new SentinelError(
        'telegram.invalid',
        `hosts: ${JSON.stringify(url)} is not a URL. Write a whole one, such as https://bot.example/hook.`,
      )
    const { href } = new URL(url)
    this.#handlers.set(href, handler)
    return () => {
      if (this.#handlers.get(href) === handler) this.#handlers.delete(href)
    }
  }

  /**
   * @throws Refusal for an address outside this machine, because the embedded Telegram never uses the network; and for a hosted
   * one that Telegram would refuse (WebhookActor.cpp of tdlib/telegram-bot-api).
   */
  check(url: string): void {
    if (!URL.canParse(url)) throw badRequest('bad webhook: invalid webhook URL specified')
    const { href, protocol, hostname, port } = new URL(url)
    if (protocol === 'http:' && LOOPBACK.has(hostname)) return
    if (!this.#handlers.has(href))
      throw badRequest(
        'bad webhook: the embedded Telegram delivers only to http://127.0.0.1, localhost or [::1], and to what it hosts',
      )
    if (protocol !== 'https:') throw badRequest('bad webhook: An HTTPS URL must be provided for webhook')
    if (!PORTS.has(port))
      throw badRequest('bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443')
  }

  deliver(delivery: Delivery): Promise<Reply> {
    const handler = this.#handlers.get(new URL(delivery.url).href)
    return handler === undefined ? post(delivery) : hand(delivery, handler)
  }
}

function hand({ url, headers, body, signal }: Delivery, handler: WebhookHandler): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const hungUp = () => reject(signal.reason)
    signal.addEventListener('abort', hungUp)
    const replied = async (): Promise<Reply> => {
      const init = { method: 'POST', headers, body: new Uint8Array(body), signal }
      const response = await handler(new Request(url, init))
      const said = (name: string) => response.headers.get(name) ?? undefined
      const bytes = Buffer.from(await response.arrayBuffer())
      const { status, statusText: words } = response
      return { status, words, ...readHeaders(said), body: bytes }
    }
    replied()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', hungUp))
  })
}

/** In seconds; MAX_RETRY_AFTER in tdlib/telegram-bot-api. */
const LONGEST_RETRY_AFTER = 3600

function readHeaders(
  said: (name: string) => string | string[] | undefined,
): Pick<Reply, 'type' | 'retryAfter'> {
  const seconds = Number(said('retry-after') ?? 0)
  const retryAfter = Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), LONGEST_RETRY_AFTER) : 0
  return { type: String(said('content-type') ?? ''), retryAfter }
}

function post({ url, headers, body, signal }: Delivery): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const options = {
      method: 'POST',
      agent: false,
      signal,
      headers: { ...headers, 'content-length': body.length },
    }
    const outgoing = request(url, options)
    outgoing.on('error', reject)
    outgoing.on('response', (response) => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('error', reject)
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size <= MAX_REPLY) chunks.push(chunk)
      })
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          words: response.statusMessage ?? '',
          ...readHeaders((name) => response.headers[name]),
          body: Buffer.concat(chunks),
        }),
      )
    })
    outgoing.end(body)
  })
}
