import type { Duration, Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import type { CallResult } from '../bot-api/calls.js'
import { shown } from '../matchers/containing.js'
import type { TelegramBot } from '../people/places.js'
import type { Patience } from '../people/waiting.js'
import { Listeners } from '../world/collections/listeners.js'
import { differenceOf } from './difference.js'
import { botOf, type CallEntry, type Run, TRANSPORT, type UpdateEntry, withoutSecrets } from './recording.js'

/**
 * Options of a replay.
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
  /** Names of parameters that may differ, for instance times that the bot reads from its own clock. */
  readonly ignore?: readonly string[]
  /**
   * `'bot'`: each bot must make its calls in the recorded order. `'chat'`: only calls about the same chat must keep their order,
   * for bots that process several chats concurrently. Default: 'bot'.
   */
  readonly order?: 'bot' | 'chat'
}

/** How to answer a call: the recorded result, `'drop'` to cut the connection, or undefined to let Telegram answer. */
type Scripted = CallResult | 'drop' | undefined

/**
 * Replays a recorded run: each bot gets the same updates, each as soon as it has repeated the calls recorded before it, and the
 * same answers. Any deviation is reported.
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
  /** The recorded bots, with new tokens. */
  readonly bots: readonly TelegramBot[]
  readonly #entries: readonly (UpdateEntry | CallEntry)[]
  readonly #done: boolean[]
  readonly #ignored: ReadonlySet<string>
  readonly #perChat: boolean
  readonly #patience: Patience
  /** Told when an entry was played again, and at the first difference. */
  readonly #played = new Listeners<[]>()
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

  /** The recorded time of the last replayed update: pass it to guards as their `clock`. */
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
   * Resolves once the bots have fetched all updates and repeated all calls.
   *
   * @throws SentinelError `telegram.diverged` at the first difference, naming the call and what differs; also after the time-out
   * (default: the `patience` option), naming what was not repeated.
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
    const ends = [
      this.#played.add(listener),
      ...this.bots.map((bot) => bot.account.queue.changed.add(listener)),
    ]
    return () => {
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

  /** @internal Answers a call as recorded. */
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

  /** Keeps only the first difference: later ones may be its consequences. */
  #diverge(difference: string): CallResult {
    this.#difference ??= difference
    this.#played.tell()
    return {
      ok: false,
      error_code: 500,
      description: `Internal Server Error: the replay has ended: ${difference}`,
    }
  }

  /** Delivers the updates that precede the next call not yet repeated. */
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
    this.#played.tell()
  }

  /** For example "Call 3 of @shop_bot (after update 12)". */
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
