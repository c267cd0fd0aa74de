import type { Duration, Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import type { CallResult } from '../bot-api/calls.js'
import { shown } from '../matchers/containing.js'
import type { TelegramBot } from '../people/places.js'
import type { Patience } from '../people/waiting.js'
import { differenceOf } from './difference.js'
import { botOf, type CallEntry, type Run, TRANSPORT, type UpdateEntry, withoutSecrets } from './recording.js'

/**
 * How strictly a replay looks.
 *
 * @example
 * ```ts
 * import type { ReplayOptions } from 'grammy-sentinel/testing'
 *
 * const options: ReplayOptions = { ignore: ['until_date'], order: 'chat' }
 * export { options }
 * ```
 */
export interface ReplayOptions {
  /** Parameters that may differ, by name; for instance moments that the bot reads off its own clock. */
  readonly ignore?: readonly string[]
  /**
   * `'bot'`: all calls of a bot come in the order recorded. `'chat'`: those about one chat do, for bots that work on several chats at
   * once. Default: 'bot'.
   */
  readonly order?: 'bot' | 'chat'
}

/** What a bot is answered: by the recording, cut, or (undefined) by Telegram itself. */
export type Scripted = CallResult | 'drop' | undefined

/**
 * A recorded run that bots are put through again: they get the same updates, each as soon as they have done what they did before
 * it, and the same answers. Whatever they do otherwise is told.
 *
 * @example
 * ```ts
 * import { readFileSync } from 'node:fs'
 * import { Bot } from 'grammy'
 * import { createTelegram } from 'grammy-sentinel/testing'
 *
 * const telegram = createTelegram()
 * const replay = telegram.replays(readFileSync('run.jsonl', 'utf8'))
 * const account = replay.bot('shop_bot')
 * const bot = new Bot(account.token, account.config)
 * bot.command('start', (ctx) => ctx.reply('Welcome'))
 * await telegram.runs(bot)
 * await replay.finished()
 * await telegram.close()
 * ```
 */
export class Replay {
  /** Those of the recording, with tokens of their own. */
  readonly bots: readonly TelegramBot[]
  readonly #entries: readonly (UpdateEntry | CallEntry)[]
  readonly #done: boolean[]
  readonly #ignored: ReadonlySet<string>
  readonly #perChat: boolean
  readonly #patience: Patience
  readonly #listeners = new Set<() => void>()
  #next = 0
  #now: Ms
  #difference: string | undefined

  /** @internal */
  constructor(run: Run, bots: readonly TelegramBot[], patience: Patience, options: ReplayOptions) {
    this.bots = bots
    this.#entries = run.entries
    this.#done = run.entries.map(() => false)
    this.#ignored = new Set(options.ignore)
    this.#perChat = options.order === 'chat'
    this.#patience = patience
    this.#now = run.startedAt
    this.#proceed()
  }

  /** When it was, in the recording: hand it to guards as their `clock`. */
  readonly now = (): Ms => this.#now

  /** @throws SentinelError `telegram.invalid` for a bot that is not in the recording. */
  bot(username: string): TelegramBot {
    const found = this.bots.find((bot) => bot.username.toLowerCase() === username.toLowerCase())
    if (found !== undefined) return found
    const known = this.bots.map((bot) => `@${bot.username}`).join(', ')
    throw new SentinelError(
      'telegram.invalid',
      `@${username} is not in the recording. There is ${known || 'no bot'}.`,
    )
  }

  /**
   * Resolves once the bots have taken every update and made every call again.
   *
   * @throws SentinelError `telegram.diverged` at the first difference, telling which call it is and what differs; also after the
   * time-out (default: the patience of people), telling what was not done again.
   */
  async finished(options: { readonly timeout?: Duration } = {}): Promise<void> {
    try {
      await this.#patience.until<true, void>({
        find: () => (this.#difference !== undefined || this.#isFinished() ? true : undefined),
        watch: (listener) => this.#watch(listener),
        otherwise: (waited) => `${this.#lack()} within ${waited} ms`,
        timeout: options.timeout,
      })
    } catch (error) {
      throw new SentinelError('telegram.diverged', (error as Error).message, { cause: error })
    }
    if (this.#difference !== undefined) throw new SentinelError('telegram.diverged', this.#difference)
  }

  #isFinished(): boolean {
    return this.#next === this.#entries.length && this.bots.every((bot) => bot.pending === 0)
  }

  #watch(listener: () => void): () => void {
    this.#listeners.add(listener)
    const ends = this.bots.map((bot) => bot.account.queue.watch(listener))
    return () => {
      this.#listeners.delete(listener)
      for (const end of ends) end()
    }
  }

  #lack(): string {
    const missing = this.#entries[this.#next]
    if (missing === undefined) {
      const late = this.bots.filter((bot) => bot.pending > 0).map((bot) => `@${bot.username}`)
      return `${late.join(', ')} did not take the last updates. Is it started?`
    }
    return `${this.#place(this.#next)} was not made again: ${describe(missing as CallEntry)}`
  }

  /** @internal Answers a call as the recording has it. */
  answer(botId: number, method: string, params: Readonly<Record<string, unknown>>): Scripted {
    if (TRANSPORT.has(method)) return undefined
    const made = JSON.parse(JSON.stringify(params, withoutSecrets)) as Record<string, unknown>
    const lane = this.#perChat ? String(made.chat_id) : undefined
    const index = this.#entries.findIndex(
      (entry, at) =>
        !this.#done[at] &&
        'call' in entry &&
        entry.by === botId &&
        (lane === undefined || laneOf(entry) === lane),
    )
    const recorded = this.#entries[index] as CallEntry | undefined
    if (recorded === undefined) {
      const where = lane === undefined ? 'no more calls' : `no more calls about chat ${lane}`
      return this.#diverge(
        `the recording has ${where}, but @${this.#name(botId)} made one: ${method} ${shown(made)}`,
      )
    }
    const difference =
      recorded.call === method
        ? differenceOf(this.#compared(recorded.params), this.#compared(made))
        : `it is ${method} ${shown(made)}, and was ${describe(recorded)}`
    if (difference !== undefined)
      return this.#diverge(`${this.#place(index)}, ${recorded.call}, differs: ${difference}`)
    this.#done[index] = true
    this.#proceed()
    return recorded.result ?? 'drop'
  }

  #compared(params: Readonly<Record<string, unknown>>): Record<string, unknown> {
    return Object.fromEntries(Object.entries(params).filter(([name]) => !this.#ignored.has(name)))
  }

  /** Only the first is told: what comes after it may follow from it. */
  #diverge(difference: string): CallResult {
    this.#difference ??= difference
    for (const listener of [...this.#listeners]) listener()
    return {
      ok: false,
      error_code: 500,
      description: `Internal Server Error: the replay is over: ${difference}`,
    }
  }

  /** Hands out the updates that came before the next call that has not been made again. */
  #proceed(): void {
    for (; this.#next < this.#entries.length; this.#next++) {
      const entry = this.#entries[this.#next] as UpdateEntry | CallEntry
      if ('call' in entry) {
        if (!this.#done[this.#next]) break
        continue
      }
      this.#now = entry.at
      this.bots.find((bot) => bot.id === entry.to)?.account.queue.inject(entry.update)
    }
    for (const listener of [...this.#listeners]) listener()
  }

  /** "Call 3 of @shop_bot", and after which update it came. */
  #place(index: number): string {
    const bot = botOf(this.#entries[index] as CallEntry)
    const before = this.#entries.slice(0, index + 1).filter((entry) => botOf(entry) === bot)
    const number = before.filter((entry) => 'call' in entry).length
    const update = before.findLast((entry) => 'update' in entry)
    const after = update === undefined ? '' : ` (after update ${update.update.update_id})`
    return `Call ${number} of @${this.#name(bot)}${after}`
  }

  #name(botId: number): string {
    return this.bots.find((bot) => bot.id === botId)?.username ?? String(botId)
  }
}

function laneOf({ params }: CallEntry): string {
  return String(params.chat_id)
}

function describe({ call, params }: CallEntry): string {
  return `${call} ${shown(params)}`
}
