import { SentinelError } from '../core/errors.js'
import { redacted } from '../core/redact.js'
import type { BotApi } from './bot-api/bot-api.js'
import type { Failure, Patience } from './people/waiting.js'
import type { UpdateKind } from './world/updates.js'

/**
 * A bot that polls for updates: grammY's `Bot`, with any context type.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import type { PollingBot } from 'grammy-sentinel/testing'
 *
 * const bot: PollingBot = new Bot('42:token')
 * export { bot }
 * ```
 */
export interface PollingBot {
  readonly token: string
  start(options?: RunOptions): Promise<void>
  stop(): Promise<void>
}

/**
 * Polling options, all passed on to grammY.
 *
 * @example
 * ```ts
 * import type { RunOptions } from 'grammy-sentinel/testing'
 *
 * const withMembers: RunOptions = { allowed_updates: ['message', 'chat_member'] }
 * export { withMembers }
 * ```
 */
export interface RunOptions {
  /** Default: Telegram's own default, which is all kinds except member and reaction updates. */
  readonly allowed_updates?: readonly UpdateKind[]
  /** Drops pending updates when the bot starts. Default: false. */
  readonly drop_pending_updates?: boolean
}

/** The bots started by `runs()`. Stops them with the Telegram and makes sure that the error of a bot that failed is reported. */
export class RunningBots {
  readonly #running = new Map<PollingBot, Promise<void>>()
  readonly #failures: Failure[] = []
  #closing = false

  constructor(
    private readonly api: BotApi,
    private readonly patience: Patience,
  ) {}

  start(bot: PollingBot, options: RunOptions): Promise<void> {
    const account = this.api.world.accounts.botByToken(bot.token)
    if (account === undefined)
      throw new SentinelError(
        'telegram.invalid',
        'runs: that bot has a token of another Telegram. Create it with the token and config of createBot().',
      )
    if (isForPublicTelegram(bot))
      throw new SentinelError(
        'telegram.invalid',
        'runs: this bot would call api.telegram.org. Create it with new Bot(account.token, account.config).',
      )
    const { polling } = this.api.linkOf(account)
    const before = polling.count
    const ended = bot.start({ ...options, allowed_updates: options.allowed_updates ?? [] }).then(
      () => this.#running.delete(bot),
      (error: unknown) => {
        this.#running.delete(bot)
        const words = `@${account.me.username} has stopped: ${redacted(error instanceof Error ? error.message : String(error))}`
        const failure: Failure = { words, cause: error, told: false }
        this.#failures.push(failure)
        hideContexts(error)
        if (!this.#closing) this.patience.fail(failure)
      },
    )
    this.#running.set(
      bot,
      ended.then(() => undefined),
    )
    return this.patience
      .until<true, void>({
        find: () => (polling.count > before ? true : undefined),
        watch: polling.polled.add,
        otherwise: (waited) => `@${account.me.username} did not ask for updates within ${waited} ms.`,
      })
      .then(() => undefined)
  }

  async stop(): Promise<void> {
    this.#closing = true
    await Promise.all([...this.#running].map(([bot, ended]) => bot.stop().then(() => ended)))
  }

  /** @throws the error that stopped a bot, if no wait has reported it yet. */
  complain(): void {
    const untold = this.#failures.find((failure) => !failure.told)
    if (untold !== undefined) {
      untold.told = true
      throw untold.cause
    }
  }
}

/**
 * Keeps the context of a `BotError` out of what Node prints: it would fill pages, and it holds the bot's token. Code can still
 * read it. The same holds for errors within the error. A frozen error is left as it is.
 */
function hideContexts(error: unknown, seen = new Set<unknown>()): void {
  if (!(error instanceof Error) || seen.has(error)) return
  seen.add(error)
  if (Object.hasOwn(error, 'ctx')) Reflect.defineProperty(error, 'ctx', { enumerable: false })
  hideContexts(error.cause, seen)
  if ('error' in error) hideContexts(error.error, seen)
}

/** Whether a grammY bot was created without the config of its account, so that its calls would leave the machine. */
function isForPublicTelegram(bot: PollingBot): boolean {
  if (!('api' in bot)) return false
  const { options } = Object(bot.api) as {
    readonly options?: { readonly apiRoot?: string; readonly fetch?: unknown }
  }
  const { apiRoot = PUBLIC, fetch } = options ?? {}
  return fetch === undefined && apiRoot.startsWith(PUBLIC)
}

const PUBLIC = 'https://api.telegram.org'
