import { SentinelError } from '../core/errors.js'
import { redacted } from '../core/redact.js'
import type { BotApi } from './bot-api/bot-api.js'
import type { Failure, Patience } from './people/waiting.js'
import type { UpdateKind } from './world/updates.js'

/**
 * A bot that fetches its updates: grammY's `Bot`, whatever its context.
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
 * How a bot fetches its updates: grammY's own polling options, all of which are handed on.
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
  /** Default: what Telegram sends unless asked, which is all but members and reactions. */
  readonly allowed_updates?: readonly UpdateKind[]
  /** Forgets what waits when the bot starts. Default: false. */
  readonly drop_pending_updates?: boolean
}

/** The bots that a Telegram runs itself, so that no test has to stop them, and none misses how one ended. */
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
        'runs: that bot has a token of some other Telegram. Make it with the token and config of createBot().',
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
        watch: (listener) => polling.watch(listener),
        otherwise: (waited) => `@${account.me.username} did not ask for updates within ${waited} ms.`,
      })
      .then(() => undefined)
  }

  async stop(): Promise<void> {
    this.#closing = true
    await Promise.all([...this.#running].map(([bot, ended]) => bot.stop().then(() => ended)))
  }

  /** @throws what ended a bot, if nobody was told. */
  complain(): void {
    const untold = this.#failures.find((failure) => !failure.told)
    if (untold !== undefined) {
      untold.told = true
      throw untold.cause
    }
  }
}
