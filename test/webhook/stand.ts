import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Update } from 'grammy/types'
import type { SentinelOptions } from '../../src/index.js'
import type { FetchInfo, Webhook, WebhookOptions } from '../../src/webhook/index.js'
import { type Desk, desk } from '../sentinel/desk.js'

export const SECRET = 'the-secret'

/** A guarded bot behind a webhook, with a clock that is moved by hand. */
export interface Stand extends Desk {
  readonly webhook: Webhook
  /** Delivers an update, or any body; returns the status. */
  deliver(update: Update | string, info?: FetchInfo): Promise<number>
}

export function stand(
  options: SentinelOptions = {},
  handlers?: Parameters<typeof desk>[1],
  webhookOptions: WebhookOptions = {},
): Stand {
  const at = desk(options, handlers)
  const webhook = at.guard.webhook(at.bot, { secret: SECRET, ...webhookOptions })
  return {
    ...at,
    webhook,
    async deliver(update, info) {
      const body = typeof update === 'string' ? update : JSON.stringify(update)
      return (await webhook.fetch(post(body), info)).status
    },
  }
}

/** A request as Telegram sends it. */
export function post(body: string, headers: Record<string, string> = {}): Request {
  return new Request('http://bot.test/hook', {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      'x-telegram-bot-api-secret-token': SECRET,
      ...headers,
    },
  })
}

/** A promise that the test fulfils. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => undefined
  const opened = new Promise<void>((fulfil) => {
    open = fulfil
  })
  return { opened, open: () => open() }
}

/** Starts a server; returns its URL. */
export async function listening(server: Server): Promise<string> {
  if (!server.listening) await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
}

/** Stops a server, and disconnects its clients. */
export function stopped(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((done) => server.close(() => done()))
}
