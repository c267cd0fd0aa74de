import { setTimeout as pause } from 'node:timers/promises'
import type { SentinelOptions } from 'grammy-sentinel'
import { guardedBot } from './bot.js'
import { Ledger } from './ledger.js'
import { counts } from './summary.js'
import { type Screen, show } from './table.js'
import { errorInWords } from './words.js'

/** A Telegram that is out of reach must not keep us from ending. */
const FAREWELL_MS = 3000

/**
 * Runs the bot on the real Telegram until SIGINT or SIGTERM.
 *
 * @returns The exit code: 0 if it was asked to end, 1 if Telegram would not have it.
 */
export async function live(
  token: string,
  apiRoot: string | undefined,
  options: SentinelOptions,
  screen: Screen,
): Promise<number> {
  const ledger = new Ledger()
  const { bot, guard } = guardedBot(token, ledger, { ...(apiRoot && { apiRoot }), options })
  // Names and texts are those of real people: ids will do.
  show(ledger, { write: (told) => screen.write(told) }, { token })

  const end = new AbortController()
  // grammY tries again and again without a word.
  bot.api.config.use(async (previous, method, payload, signal) => {
    try {
      return await previous(method, payload, signal)
    } catch (error) {
      if (!end.signal.aborted) ledger.failed(method, error)
      throw error
    }
  })
  const asked = (): void => {
    end.abort()
    void bot.stop().catch(() => undefined)
  }
  // Only once: whoever asks again while we are at it means it.
  process.once('SIGINT', asked)
  process.once('SIGTERM', asked)
  try {
    // grammY's type of a signal is that of a polyfill; what it takes is what there is.
    await bot.init(end.signal as unknown as Parameters<typeof bot.init>[0])
    const running = bot.start({
      onStart: ({ username }) => {
        screen.write(`@${username} is on, behind its guard. Ctrl-C ends it.\n`)
        // Asked before there was anything to stop.
        if (end.signal.aborted) void bot.stop().catch(() => undefined)
      },
    })
    await Promise.race([running, over(end.signal)])
  } catch (error) {
    if (!end.signal.aborted) {
      screen.write(`The bot could not go on: ${errorInWords(error, token)}\n`)
      return 1
    }
  } finally {
    process.off('SIGINT', asked)
    process.off('SIGTERM', asked)
    await guard.close()
  }
  screen.write(`\n${counts(ledger).join('\n')}\nstopped\n`)
  return 0
}

/** Some time after it was asked for. */
async function over(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
  await pause(FAREWELL_MS, undefined, { ref: false })
}
