import type { Transformer } from 'grammy'
import type { Update } from 'grammy/types'
import { layer, type SentinelOptions } from 'grammy-sentinel'
import { openStage } from './stage.js'
import { counts } from './summary.js'
import { type Screen, show } from './table.js'
import { errorInWords } from './words.js'

/** A line of a recording: an update, or an error. */
export type RecordedLine =
  | { readonly number: number; readonly update: Update }
  | { readonly number: number; readonly problem: string }

/** Reads a recording with one update per line. Empty lines are skipped. */
export function readRecording(text: string): RecordedLine[] {
  return text.split('\n').flatMap((line, index): RecordedLine[] => {
    if (line.trim() === '') return []
    const number = index + 1
    try {
      return [{ number, update: updateOf(JSON.parse(line)) }]
    } catch (error) {
      return [{ number, problem: (error as Error).message }]
    }
  })
}

function updateOf(value: unknown): Update {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error('is no JSON object')
  const { update_id: id, ...rest } = value as Record<string, unknown>
  if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 0 || id > MOST_ID) {
    throw new Error('has no update_id, a whole number')
  }
  if (Object.keys(rest).length === 0) throw new Error('holds nothing but its update_id')
  return value as Update
}

/** Telegram's ids are 32-bit numbers. */
const MOST_ID = 2 ** 31 - 2
/** Most updates to deliver before waiting for the bot, because pending updates are kept in memory. */
const BATCH = 1000

/**
 * Replays a recording to the guarded bot, in the order of its lines. The guard's clock follows the dates in the recording, so
 * that verdicts are those of that time. Calls of the bot are discarded.
 *
 * @returns The exit code: 1 if a line could not be delivered.
 */
export async function playRecording(text: string, options: SentinelOptions, screen: Screen): Promise<number> {
  const lines = readRecording(text)
  const clock = new RecordedClock()
  const stage = await openStage(layer(options, { clock: clock.now }), (bot) => {
    bot.use((ctx, next) => {
      clock.follow(ctx.update)
      return next()
    })
    bot.api.config.use(mute)
  })
  const { telegram, account, ledger } = stage
  try {
    // The texts may be those of real people, so they are not shown.
    show(ledger, { write: (told) => screen.write(told) }, { token: account.token })
    const settled = (): Promise<void> => telegram.settled({ timeout: '1m' })
    let broken = 0
    let waiting = 0
    let last = -1
    const reject = (number: number, problem: string): void => {
      broken++
      screen.write(`! line ${number}: ${problem}\n`)
    }
    for (const line of lines) {
      if ('problem' in line) {
        reject(line.number, line.problem)
        continue
      }
      // Pending updates are delivered by ascending id, so a lower or repeated id must wait until none is pending.
      if (line.update.update_id <= last || waiting >= BATCH) {
        await settled()
        waiting = 0
      }
      last = line.update.update_id
      try {
        telegram.deliver(account, line.update)
        waiting++
      } catch (error) {
        reject(line.number, `could not be delivered: ${errorInWords(error, account.token)}`)
      }
    }
    await stage.settles()
    screen.write(`\n${counts(ledger).join('\n')}\n`)
    screen.write(`fed ${lines.length - broken} of ${lines.length} lines\n`)
    return broken === 0 ? 0 : 1
  } finally {
    await stage.close()
  }
}

/** Starts at the last date seen and advances with real time, because many kinds of updates have no date. */
class RecordedClock {
  private base = 0
  private since = performance.now()

  readonly now = (): number => this.base + performance.now() - this.since

  follow(update: Update): void {
    const { update_id: _, ...payloads } = update
    const dates = Object.values(payloads).map((payload: unknown) => dateOf(payload))
    // Never goes back: an old message may be delivered late.
    const at = Math.max(this.now(), ...dates)
    this.base = at
    this.since = performance.now()
  }
}

function dateOf(payload: unknown): number {
  if (typeof payload !== 'object' || payload === null) return 0
  const { date, edit_date: edited = date } = payload as {
    readonly date?: unknown
    readonly edit_date?: unknown
  }
  return typeof edited === 'number' && Number.isSafeInteger(edited) ? edited * 1000 : 0
}

/** Answers calls in place of Telegram, because the recorded chats do not exist here. */
const mute: Transformer = (previous, method, payload, signal) => {
  if (method.startsWith('get') || method === 'deleteWebhook') return previous(method, payload, signal)
  return Promise.resolve({ ok: true, result: true } as Awaited<ReturnType<typeof previous>>) as never
}
