import type { Update } from 'grammy/types'
import type { SentinelOptions } from '../../src/index.js'
import type { FetchInfo, Webhook, WebhookOptions } from '../../src/webhook/index.js'
import { type Desk, desk } from '../sentinel-desk.js'

export const SECRET = 'the-secret'

/** A guarded bot behind a webhook, whose clock is moved by hand. */
export interface Stand extends Desk {
  readonly webhook: Webhook
  /** Delivers an update, or any body; the status. */
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

/** A delivery as Telegram sends it. */
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
