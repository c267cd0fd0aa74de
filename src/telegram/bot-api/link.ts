import { parseDuration } from '../../core/duration.js'
import type { BotAccount } from '../world/accounts.js'
import { Polling } from './polling.js'
import { Webhook, type WebhookSettings, type WebhookTiming } from './webhook.js'
import type { WebhookHosts } from './webhook-delivery.js'

/** How one bot gets its updates: by polling or by webhook. */
export class Link {
  readonly polling: Polling
  #webhook: Webhook | undefined

  constructor(
    readonly bot: BotAccount,
    private readonly timing: WebhookTiming,
    private readonly hosts: WebhookHosts,
    private readonly date: () => number,
    private readonly perform: (reply: ReadonlyMap<string, unknown>) => void,
  ) {
    this.polling = new Polling(bot.queue)
  }

  get webhook(): Webhook | undefined {
    return this.#webhook
  }

  /** @throws Refusal for a URL that is neither on this machine nor registered with `hosts`. */
  checkWebhookUrl(url: string): void {
    this.hosts.check(url)
  }

  setWebhook(settings: WebhookSettings): void {
    this.polling.interrupt('Conflict: terminated by setWebhook request')
    this.#webhook?.close()
    const { queue } = this.bot
    this.#webhook = new Webhook(settings, queue, this.timing, this.hosts, this.date, this.perform)
  }

  deleteWebhook(): void {
    this.#webhook?.close()
    this.#webhook = undefined
  }
}

export const DEFAULT_TIMING: WebhookTiming = {
  retry: parseDuration('1s'),
  timeout: parseDuration('60s'),
}
