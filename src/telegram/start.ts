import { parseDuration } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { BotApi } from './bot-api/bot-api.js'
import { readFloodLimits } from './bot-api/flood.js'
import { DEFAULT_TIMING } from './bot-api/link.js'
import { type Front, serve } from './bot-api/server.js'
import { checkTelegramOptions } from './option-names.js'
import type { TelegramOptions } from './options.js'
import { Patience } from './people/waiting.js'
import { type Parts, Telegram } from './telegram.js'
import { createClock } from './world/clock.js'
import { World } from './world/world.js'

type WithoutPort = Omit<TelegramOptions, 'port' | 'host' | 'hostNames' | 'control'>

/**
 * Creates a Telegram inside the process, immediately and without a port: the fastest way for tests. Bots connect with
 * `bot.config` or `telegram.fetch`. It serves the same API as {@link startTelegram}; request bodies, errors and faults look the
 * same to the bot.
 *
 * @throws SentinelError `option.unknown`; `duration.invalid`, `limit.invalid` or `telegram.invalid` for an invalid option.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { createTelegram } from 'grammy-sentinel/testing'
 *
 * const telegram = createTelegram()
 * const account = telegram.createBot({ username: 'echo_bot' })
 * const alice = telegram.createUser({ firstName: 'Alice' })
 *
 * const bot = new Bot(account.token, account.config)
 * bot.on('message:text', (ctx) => ctx.reply(ctx.message.text.toUpperCase()))
 * await telegram.runs(bot)
 *
 * await alice.to(account).sends('hello')
 * await alice.hears('HELLO')
 *
 * await telegram.close()
 * ```
 */
export function createTelegram(options: WithoutPort = {}): Telegram {
  return new Telegram(partsFrom(options, 'createTelegram'))
}

/**
 * Starts a Telegram on 127.0.0.1, with users, groups and channels, which real bots use over real HTTP without leaving the
 * machine. It serves the part of the Bot API that moderation needs; any other method answers 501.
 *
 * Memory is bounded: request bodies of 50 MB, 100,000 updates per bot (each kept for a day), 100,000 messages, 256 MB of files,
 * 10,000 recorded calls; beyond that the oldest are dropped. Only requests with a loopback `Host` are served, and webhooks are
 * delivered to this machine only.
 *
 * @throws SentinelError `option.unknown`; `duration.invalid`, `limit.invalid` or `telegram.invalid` for an invalid option.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { startTelegram } from 'grammy-sentinel/testing'
 *
 * const telegram = await startTelegram()
 * const account = telegram.createBot({ username: 'echo_bot' })
 * const alice = telegram.createUser({ firstName: 'Alice' })
 *
 * const bot = new Bot(account.token, { client: { apiRoot: telegram.apiRoot } })
 * bot.on('message:text', (ctx) => ctx.reply(ctx.message.text.toUpperCase()))
 * await telegram.runs(bot)
 *
 * await alice.to(account).sends('hello')
 * await alice.hears('HELLO')
 *
 * await telegram.close()
 * ```
 */
export async function startTelegram(options: TelegramOptions = {}): Promise<Telegram> {
  const parts = partsFrom(options, 'startTelegram')
  const { port = 0, host = '127.0.0.1', hostNames: names = [], control = false } = options
  // Imported only when enabled: the control API brings in the schema library.
  const made = control === false ? undefined : await import('./control/control.js')
  const token = made?.controlToken(typeof control === 'object' ? control.token : undefined)
  let front: Front | undefined
  const server = await serve(parts.api, { port, host, names }, () => front)
  if (made === undefined || token === undefined) return new Telegram(parts, server)
  const telegram = new Telegram(parts, server, { url: `${server.apiRoot}/control`, token })
  front = new made.Control(telegram, token)
  return telegram
}

function partsFrom(options: TelegramOptions, what: 'createTelegram' | 'startTelegram'): Parts {
  checkTelegramOptions(options, what)
  const { clock = 'real' } = options
  if (clock !== 'real' && clock !== 'virtual' && typeof clock !== 'function')
    throw new SentinelError(
      'telegram.invalid',
      `${what}: ${JSON.stringify(clock)} is not a clock. Use 'real', 'virtual' or a function that returns milliseconds.`,
    )
  const patience = new Patience(parseDuration(options.patience ?? '2s', `${what}: patience`))
  const world = new World(createClock(clock))
  const timing = {
    retry: parseDuration(options.webhookRetry ?? DEFAULT_TIMING.retry, `${what}: webhookRetry`),
    timeout: parseDuration(options.webhookTimeout ?? DEFAULT_TIMING.timeout, `${what}: webhookTimeout`),
  }
  return { world, patience, api: new BotApi(world, timing, readFloodLimits(options.limits ?? false)) }
}
