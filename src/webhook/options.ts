import { z } from 'zod'
import { type Duration, type Ms, parseDuration } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { duration, option, parseOptions } from '../middleware/options/schema.js'
import { checkProxies } from './addresses.js'

/** What an outcome that is no success is answered with: 200, so that Telegram goes on, or 500, so that it comes again. */
const ANSWERS = ['accept', 'retry'] as const

const WHOLE = 'must be a whole number of at least 1'
const whole = z.number(WHOLE).int(WHOLE).min(1, WHOLE)
const networks = z.array(z.string()).min(1, 'must name at least one').readonly()

const webhookOptions = z.strictObject({
  // Checked apart: an error must not show it.
  secret: option(z.unknown(), 'What setWebhook was given as secret_token.'),
  maxBody: option(whole, 'Bytes of a body at most.', 1_048_576),
  addresses: option(z.union([z.literal('telegram'), networks]), 'Who may call.'),
  proxies: option(networks, 'Whose X-Forwarded-For is believed.'),
  timeout: option(duration, 'How long Telegram waits for an answer at most.', '10s'),
  onTimeout: option(z.enum(ANSWERS), 'What is answered then.', 'accept'),
  onError: option(z.enum(ANSWERS), 'What is answered when a handler throws.', 'accept'),
  reply: option(z.boolean(), 'Whether the bot may answer with a method call.', false),
  gate: option(z.boolean(), 'Whether known offenders are turned away before they are parsed.', true),
  maxRunning: option(whole, 'Updates under way at most.', 1000),
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
   * The `secret_token` that `setWebhook` was given, 1 to 256 letters, digits, `_` and `-`: who does not send it is answered
   * 401. Without it anybody who finds the URL can pretend to be anybody, and a warning says so.
   */
  readonly secret?: string
  /**
   * Bytes of a body at most; larger ones are answered 413. Telegram names no bound; a text of 4,096 characters comes as 24 KiB at
   * most (`\uXXXX` each), and an update holds a few of them. @default 1_048_576, 1 MiB
   */
  readonly maxBody?: number
  /**
   * Who may call: `'telegram'` for the ranges that Telegram's webhooks come from
   * (https://core.telegram.org/bots/webhooks: 149.154.160.0/20 and 91.108.4.0/22), or networks of yours such as
   * `'10.0.0.0/8'` or `'::1'`; others are answered 403. @default anybody
   */
  readonly addresses?: 'telegram' | readonly string[]
  /**
   * Networks of your proxies: what they say in `X-Forwarded-For` is believed, read from the right up to the first address
   * that is none of them. `'unix'` for one that calls by a socket of the file system. @default none, and the header is ignored
   */
  readonly proxies?: readonly string[]
  /** How long Telegram waits for an answer at most; the handlers go on. @default '10s' */
  readonly timeout?: Duration
  /**
   * What is answered then: `accept`, 200, and whatever the handlers still do is done once; `retry`, 500, and Telegram sends the
   * update again, which waits for how the handlers end, and is answered 500 again where they do not. It is handled anew when they have
   * thrown by then, or `lease` of `once` is over. @default 'accept'
   */
  readonly onTimeout?: 'accept' | 'retry'
  /**
   * What is answered when a handler throws, after `bot.catch` was told: `accept`, 200, as under polling; `retry`, 500, and
   * Telegram sends the update again and again, and others wait behind it. @default 'accept'
   */
  readonly onError?: 'accept' | 'retry'
  /**
   * Whether the first method call that grammY's `canUseWebhookReply` allows goes out as the answer to Telegram. Its result and
   * its failure are never known. @default false
   */
  readonly reply?: boolean
  /**
   * Whether whoever was refused a moment ago is decided about before the update is parsed. What is refused there does not reach
   * middleware in front of the guard. @default true
   */
  readonly gate?: boolean
  /** Updates under way at most; more are answered 503, and come again. @default 1000 */
  readonly maxRunning?: number
}

/** The same, checked and complete. */
export interface WebhookSettings {
  readonly secret: string | undefined
  readonly maxBody: number
  readonly addresses: 'telegram' | readonly string[] | undefined
  readonly proxies: readonly string[]
  readonly timeout: Ms
  readonly onTimeout: 'accept' | 'retry'
  readonly onError: 'accept' | 'retry'
  readonly reply: boolean
  readonly gate: boolean
  readonly maxRunning: number
}

/** Bot API, setWebhook: secret_token. */
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
  checkProxies(options.proxies ?? [])
  return {
    secret,
    maxBody: options.maxBody ?? 1_048_576,
    addresses: options.addresses,
    proxies: options.proxies ?? [],
    timeout: options.timeout ?? parseDuration('10s'),
    onTimeout: options.onTimeout ?? 'accept',
    onError: options.onError ?? 'accept',
    reply: options.reply ?? false,
    gate: options.gate ?? true,
    maxRunning: options.maxRunning ?? 1000,
  }
}
