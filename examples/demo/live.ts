import { setTimeout as pause } from 'node:timers/promises'
import { type Bot, HttpError } from 'grammy'
import type { UserFromGetMe } from 'grammy/types'
import type { SentinelOptions } from 'grammy-sentinel'
import { type GuardedContext, guardedBot } from './bot.js'
import { Ledger } from './ledger.js'
import { counts } from './summary.js'
import { type Screen, show } from './table.js'
import { errorInWords } from './words.js'

/** Attempts to reach Telegram at the start, and the delay between them. */
const TRIES = 3
const RETRY_MS = 1000

/** Longest time to wait for Telegram when the bot ends. */
const FAREWELL_MS = 3000

/**
 * Runs the bot on the real Telegram until SIGINT or SIGTERM.
 *
 * @returns The exit code: 0 after a signal, 1 if Telegram rejects the bot or cannot be reached at the start.
 */
export async function live(
  token: string,
  apiRoot: string | undefined,
  options: SentinelOptions,
  screen: Screen,
): Promise<number> {
  const ledger = new Ledger()
  const { bot, guard } = guardedBot(token, ledger, { ...(apiRoot && { apiRoot }), options })
  // The names and texts are those of real people, so only ids are shown.
  show(ledger, { write: (told) => screen.write(told) }, { token })

  const end = new AbortController()
  // While running, grammY retries failed calls silently, so they are reported here.
  bot.api.config.use(async (previous, method, payload, signal) => {
    try {
      return await previous(method, payload, signal)
    } catch (error) {
      // The first call, getMe, is reported by its caller.
      if (!end.signal.aborted && method !== 'getMe') ledger.failed(method, error)
      throw error
    }
  })
  const asked = (): void => {
    end.abort()
    void bot.stop().catch(() => undefined)
  }
  // Only once, so that a second signal ends the process at once.
  process.once('SIGINT', asked)
  process.once('SIGTERM', asked)
  try {
    // Without this, grammY would retry for ever.
    bot.botInfo = await found(bot, end.signal, (error) =>
      screen.write(`Telegram is out of reach: ${errorInWords(causeOf(error), token)}\n`),
    )
    const running = bot.start({
      onStart: ({ username }) => {
        screen.write(`@${username} is on, behind its guard. Ctrl-C ends it.\n`)
        // The signal may have come before there was anything to stop.
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

/** Fetches the bot's user. Reports the first failure and throws the last one; does not retry if Telegram rejects the token. */
async function found(
  { api }: Bot<GuardedContext>,
  signal: AbortSignal,
  tell: (error: unknown) => void,
): Promise<UserFromGetMe> {
  for (let attempt = 1; ; attempt++) {
    try {
      // grammY's type of a signal comes from a polyfill; a native signal works.
      return await api.getMe(signal as unknown as Parameters<typeof api.getMe>[0])
    } catch (error) {
      if (!(error instanceof HttpError)) throw error
      if (attempt === 1 && !signal.aborted) tell(error)
      if (attempt === TRIES) throw new Error(`it was not reached in ${TRIES} tries`)
      await pause(RETRY_MS, undefined, { signal })
    }
  }
}

/** Returns the innermost cause: network errors are wrapped, and the outer ones say little. */
function causeOf(error: unknown): unknown {
  if (error instanceof HttpError) return causeOf(error.error)
  return error instanceof Error && error.cause !== undefined ? causeOf(error.cause) : error
}

/** Resolves some time after the signal. */
async function over(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
  await pause(FAREWELL_MS, undefined, { ref: false })
}
