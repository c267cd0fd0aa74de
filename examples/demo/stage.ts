import type { Sentinel, SentinelOptions } from 'grammy-sentinel'
import { startTelegram, type Telegram, type TelegramBot } from 'grammy-sentinel/testing'
import { type GuardedContext, guardedBot, type Preparation } from './bot.js'
import { Ledger } from './ledger.js'

/** An embedded Telegram, and the guarded bot that polls it over HTTP. */
export interface Stage {
  readonly telegram: Telegram
  readonly account: TelegramBot
  readonly guard: Sentinel<GuardedContext>
  readonly ledger: Ledger
  /** Waits until the bot has handled all there is and said all it has to say, and stops it. */
  settles(): Promise<void>
  close(): Promise<void>
}

/**
 * Builds the stage and starts the bot.
 *
 * @param prepare Has a hand in the bot before the guard has.
 */
export async function openStage(options: SentinelOptions, prepare?: Preparation): Promise<Stage> {
  // Patient with slow machines; nobody waits as long elsewhere.
  const telegram = await startTelegram({ patience: '8s' })
  try {
    const account = telegram.createBot({ username: 'guarded_demo_bot' })
    const ledger = new Ledger()
    const { bot, guard } = guardedBot(account.token, ledger, {
      apiRoot: telegram.apiRoot,
      options,
      ...(prepare && { prepare }),
    })
    let running: Promise<void> | undefined
    await new Promise<void>((started, failed) => {
      running = bot.start({ onStart: () => started() })
      running.catch(failed)
    })
    return {
      telegram,
      account,
      guard,
      ledger,
      async settles() {
        await telegram.settled()
        await bot.stop()
        await running
        await guard.close()
      },
      async close() {
        if (bot.isRunning()) await bot.stop()
        await telegram.close()
      },
    }
  } catch (error) {
    await telegram.close()
    throw error
  }
}
