import { setTimeout as pause } from 'node:timers/promises'
import { type Bot, HttpError } from 'grammy'
import type { UserFromGetMe } from 'grammy/types'
import type { SentinelOptions } from 'grammy-sentinel'
import { type GuardedContext, guardedBot } from './bot.js'
import { Ledger } from './ledger.js'
import { counts } from './summary.js'
import { type Screen, show } from './table.js'
import { errorInWords } from './words.js'

/** How often Telegram is looked for before we give up, and how long we wait in between. */
const TRIES = 3
const RETRY_MS = 1000

/** A Telegram that is out of reach must not keep us from ending. */
const FAREWELL_MS = 3000

/**
 * Runs the bot on the real Telegram until SIGINT or SIGTERM.
 *
 * @returns The exit code: 0 if it was asked to end, 1 if Telegram would not have it, or is out of reach when we begin.
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
  // Once it runs, grammY tries again and again without a word.
  bot.api.config.use(async (previous, method, payload, signal) => {
    try {
      return await previous(method, payload, signal)
    } catch (error) {
      // The first of them is told by whoever asks.
      if (!end.signal.aborted && method !== 'getMe') ledger.failed(method, error)
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
    // grammY would look for it for ever.
    bot.botInfo = await found(bot, end.signal, (error) =>
      screen.write(`Telegram is out of reach: ${errorInWords(causeOf(error), token)}\n`),
    )
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

/** Who the bot is; the first failure is told, the last one thrown. Telegram's own no is not asked for twice. */
async function found(
  { api }: Bot<GuardedContext>,
  signal: AbortSignal,
  tell: (error: unknown) => void,
): Promise<UserFromGetMe> {
  for (let attempt = 1; ; attempt++) {
    try {
      // grammY's type of a signal is that of a polyfill; what it takes is what there is.
      return await api.getMe(signal as unknown as Parameters<typeof api.getMe>[0])
    } catch (error) {
      if (!(error instanceof HttpError)) throw error
      if (attempt === 1 && !signal.aborted) tell(error)
      if (attempt === TRIES) throw new Error(`it was not reached in ${TRIES} tries`)
      await pause(RETRY_MS, undefined, { signal })
    }
  }
}

/** What lies at the bottom: errors of networks come wrapped, and the outer ones say little. */
function causeOf(error: unknown): unknown {
  if (error instanceof HttpError) return causeOf(error.error)
  return error instanceof Error && error.cause !== undefined ? causeOf(error.cause) : error
}

/** Some time after it was asked for. */
async function over(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
  await pause(FAREWELL_MS, undefined, { ref: false })
}
