import { parseDuration } from '../../core/duration.js'
import type { BotAccount } from '../world/accounts.js'
import type { Addresses } from './courier.js'
import { Polling } from './polling.js'
import { Webhook, type WebhookSettings, type WebhookTiming } from './webhook.js'

/** How updates get to one bot: it fetches them, or they are brought to it. */
export class Link {
  readonly polling: Polling
  #webhook: Webhook | undefined

  constructor(
    readonly bot: BotAccount,
    private readonly timing: WebhookTiming,
    private readonly addresses: Addresses,
    private readonly date: () => number,
    private readonly perform: (bot: BotAccount, reply: ReadonlyMap<string, unknown>) => void,
  ) {
    this.polling = new Polling(bot.queue)
  }

  get webhook(): Webhook | undefined {
    return this.#webhook
  }

  /** @throws Refusal for an address that is neither on this machine nor hosted here. */
  checkWebhookUrl(url: string): void {
    this.addresses.check(url)
  }

  setWebhook(settings: WebhookSettings): void {
    this.polling.interrupt('Conflict: terminated by setWebhook request')
    this.#webhook?.close()
    const { queue } = this.bot
    this.#webhook = new Webhook(settings, queue, this.timing, this.addresses, this.date, (reply) =>
      this.perform(this.bot, reply),
    )
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
