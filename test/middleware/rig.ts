import { Bot, type Context, type MiddlewareFn, type MiddlewareObj } from 'grammy'
import type { Timers } from '../../src/core/clock.js'
import type { SentinelFlavor } from '../../src/middleware/chain/control.js'
import {
  createTelegram,
  type Person,
  type Telegram,
  type TelegramBot,
  type TelegramOptions,
} from '../../src/telegram/index.js'

export type GuardedContext = Context & SentinelFlavor

/** A bot behind a guard, on a Telegram of its own, and a few people. */
export interface Rig {
  readonly telegram: Telegram
  readonly account: TelegramBot
  readonly bot: Bot<GuardedContext>
  readonly alice: Person
  readonly bob: Person
  /** The updates that reached the handlers: texts, or the kind of content. */
  readonly reached: string[]
  /** Starts polling. */
  start(): void
  /** Waits until the bot has handled all updates. */
  settled(): Promise<void>
  stop(): Promise<void>
}

/** Creates the bot and its people. The handlers of the test come before the one that fills `reached`. */
export async function rig(
  guard: MiddlewareFn<GuardedContext> | MiddlewareObj<GuardedContext> | undefined,
  handlers: (bot: Bot<GuardedContext>) => void = () => undefined,
  options: TelegramOptions = {},
): Promise<Rig> {
  const telegram = createTelegram(options)
  const account = telegram.createBot({ username: 'guarded_bot', inline: true })
  const bot = new Bot<GuardedContext>(account.token, account.config)
  const reached: string[] = []
  if (guard !== undefined) bot.use(guard)
  bot.use((ctx, next) => {
    const { update_id: _, ...content } = ctx.update
    reached.push(ctx.msg?.text ?? ctx.callbackQuery?.data ?? (Object.keys(content)[0] as string))
    return next()
  })
  handlers(bot)
  // Tests check which updates were handled; a handler that throws must not stop the bot.
  bot.catch(() => undefined)
  let running: Promise<void> | undefined
  return {
    telegram,
    account,
    bot,
    alice: telegram.createUser({ firstName: 'Alice', languageCode: 'en' }),
    bob: telegram.createUser({ firstName: 'Bob', languageCode: 'ru' }),
    reached,
    start() {
      running = bot.start({ allowed_updates: [] })
    },
    settled: () => telegram.settled(),
    async stop() {
      if (running !== undefined) {
        await bot.stop()
        await running
      }
      await telegram.close()
    },
  }
}

/** A clock and timers that move only when told. */
export class Stage {
  now = Date.UTC(2026, 0, 1)
  private due: { at: number; run: () => void }[] = []

  readonly clock = (): number => this.now

  readonly timers: Timers = {
    after: (ms, run) => {
      const timer = { at: this.now + ms, run }
      this.due.push(timer)
      return () => {
        this.due = this.due.filter((other) => other !== timer)
      }
    },
  }

  /** The number of timers that have not fired. */
  get pending(): number {
    return this.due.length
  }

  /** Advances the clock, and fires the timers that become due, in order. */
  advance(ms: number): void {
    const end = this.now + ms
    for (;;) {
      const next = this.due.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.due = this.due.filter((timer) => timer !== next)
      this.now = next.at
      next.run()
    }
    this.now = end
  }

  /** Drops all timers, as on a platform where they end with the request that set them. */
  forget(): void {
    this.due = []
  }
}
