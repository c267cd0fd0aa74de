import { z } from 'zod'
import type { Duration } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { duration, option, parseOptions } from '../middleware/options/schema.js'
import { checkNetworks, networksOf } from './addresses.js'

/** Answers to an update that was not handled successfully: 200, so that Telegram goes on, or 500, so that it sends the update again. */
const ANSWERS = ['accept', 'retry'] as const

const WHOLE = 'must be a whole number of at least 1'
const whole = z.number(WHOLE).int(WHOLE).min(1, WHOLE)
const networks = z.array(z.string()).min(1, 'must name at least one').readonly()

export const webhookOptions = z.strictObject({
  // Checked separately, because an error message must not show it.
  secret: option(z.unknown(), 'The secret_token that setWebhook was given.'),
  maxBody: option(whole, 'Largest body, in bytes.', 1_048_576),
  addresses: option(z.union([z.literal('telegram'), networks]), 'Networks that may call.'),
  proxies: option(networks, 'Proxies whose X-Forwarded-For is trusted.'),
  timeout: option(duration, 'How long Telegram may wait for an answer.', '10s'),
  onTimeout: option(z.enum(ANSWERS), 'What is answered after that.', 'accept'),
  onThrow: option(z.enum(ANSWERS), 'What is answered when a handler throws.', 'accept'),
  reply: option(z.boolean(), 'Whether the bot may answer with a method call.', false),
  gate: option(z.boolean(), 'Whether updates of known offenders are refused before they are parsed.', true),
  maxRunning: option(whole, 'Most updates in progress at once.', 1000),
})

/**
 * Options of `guard.webhook()`.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { sentinel, type WebhookOptions } from 'grammy-sentinel'
 *
 * const options: WebhookOptions = {
 *   secret: 'what-setWebhook-was-given',
 *   addresses: 'telegram',
 *   proxies: ['10.0.0.0/8'],
 * }
 * const bot = new Bot('123:token')
 * const guard = sentinel().install(bot)
 * const webhook = guard.webhook(bot, options)
 * ```
 */
export interface WebhookOptions {
  /**
   * The `secret_token` that was passed to `setWebhook`: 1 to 256 letters, digits, `_` and `-`. Requests without it are answered
   * with 401. If it is missing, anybody who finds the URL can send forged updates, and the sentinel emits a warning.
   */
  readonly secret?: string
  /**
   * Maximum size of a body in bytes; larger ones are answered with 413. Telegram documents no maximum; a text of 4,096 characters
   * takes at most 24 KiB (`\uXXXX` each), and an update contains a few of them. @default 1_048_576, 1 MiB
   */
  readonly maxBody?: number
  /**
   * Allowed callers: `'telegram'` for the networks that Telegram sends webhooks from
   * (https://core.telegram.org/bots/webhooks: 149.154.160.0/20 and 91.108.4.0/22), or your own networks such as
   * `'10.0.0.0/8'` or `'::1'`. Others are answered with 403. @default anybody
   */
  readonly addresses?: 'telegram' | readonly string[]
  /**
   * Networks of your proxies. Their `X-Forwarded-For` is trusted, and read from the right up to the first address that is not a
   * proxy. Use `'unix'` for a proxy on a Unix domain socket. @default none, and the header is ignored
   */
  readonly proxies?: readonly string[]
  /** Longest time until Telegram is answered; handlers continue after it. @default '10s' */
  readonly timeout?: Duration
  /**
   * The answer after `timeout`. `accept`: 200; the handlers finish, and the update is handled only once. `retry`: 500; Telegram
   * sends the update again. The new delivery waits for the running handlers, and is answered with 500 again if they do not
   * finish. The update is handled again if they have thrown, or if the `lease` of `once` has ended. @default 'accept'
   */
  readonly onTimeout?: 'accept' | 'retry'
  /**
   * The answer when a handler throws, after `bot.catch` was called. `accept`: 200, as with polling. `retry`: 500; Telegram sends
   * the update again and again, which delays other updates. @default 'accept'
   */
  readonly onThrow?: 'accept' | 'retry'
  /**
   * Whether the first method call that grammY's `canUseWebhookReply` allows is sent as the answer to Telegram. The bot never
   * learns its result or failure. @default false
   */
  readonly reply?: boolean
  /**
   * Whether updates of recent offenders are decided before they are parsed. Updates refused there do not reach middleware
   * upstream of the guard. @default true
   */
  readonly gate?: boolean
  /** Most updates under way; further ones are answered with 503, and Telegram sends them again. @default 1000 */
  readonly maxRunning?: number
}

/** The checked options of a webhook, with defaults. */
export type WebhookSettings = Readonly<z.output<typeof webhookOptions>> & {
  readonly secret: string | undefined
  readonly proxies: readonly string[]
}

/** Format of `secret_token` in the Bot API's setWebhook. */
const SECRET = /^[A-Za-z0-9_-]{1,256}$/

/** Checks the options of a webhook. */
export function readWebhook(given: WebhookOptions): WebhookSettings {
  const options = parseOptions('webhook', webhookOptions, given)
  const { secret } = options
  if (secret !== undefined && (typeof secret !== 'string' || !SECRET.test(secret))) {
    throw new SentinelError(
      'option.invalid',
      'webhook.secret: must be 1 to 256 letters, digits, _ and -, the same that setWebhook was given as secret_token. (Not shown here.)',
    )
  }
  const { addresses, proxies = [] } = options
  checkNetworks(networksOf(proxies), 'webhook.proxies')
  if (addresses !== undefined && addresses !== 'telegram') checkNetworks(addresses, 'webhook.addresses')
  return { ...options, secret, proxies }
}
