import type { Sentinel, SentinelOptions } from 'grammy-sentinel'
import { startTelegram, type Telegram, type TelegramBot } from 'grammy-sentinel/testing'
import { type GuardedContext, guardedBot, type Preparation } from './bot.js'
import { Ledger } from './ledger.js'

/** An embedded Telegram, and a guarded bot that polls it over HTTP. */
export interface Stage {
  readonly telegram: Telegram
  readonly account: TelegramBot
  readonly guard: Sentinel<GuardedContext>
  readonly ledger: Ledger
  /** Waits until the bot has handled all updates and sent everything, and stops it. */
  settles(): Promise<void>
  close(): Promise<void>
}

/**
 * Sets up the stage and starts the bot.
 *
 * @param prepare Changes the bot before the guard is installed.
 */
export async function openStage(options: SentinelOptions, prepare?: Preparation): Promise<Stage> {
  // A long patience for slow machines; it costs nothing on others.
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
