import { SentinelError } from '../../core/errors.js'
import type { BotCall } from '../bot-api/calls.js'
import type { BotAccount } from '../world/accounts.js'
import { type CallEntry, TRANSPORT, type UpdateEntry, write } from './recording.js'

/** Maximum of updates and calls in one recording. */
const MOST_ENTRIES = 100_000

/**
 * A recording in progress: each update when it is queued for a bot, and each call with its answer.
 *
 * @example
 * ```ts
 * import { writeFileSync } from 'node:fs'
 * import { createTelegram } from 'grammy-sentinel/testing'
 *
 * const telegram = createTelegram()
 * const recording = telegram.records()
 * // … people act, bots answer …
 * recording.stop()
 * writeFileSync('run.jsonl', recording.text())
 * await telegram.close()
 * ```
 */
export class Recording {
  readonly #startedAt: number
  readonly #bots: BotAccount[] = []
  readonly #entries: (UpdateEntry | { readonly made: BotCall })[] = []
  readonly #ends: (() => void)[] = []
  #stopped = false
  #overflowed = false

  /** @internal */
  constructor(private readonly now: () => number) {
    this.#startedAt = now()
  }

  /** @internal */
  follow(bot: BotAccount): void {
    if (this.#stopped) return
    this.#bots.push(bot)
    this.#ends.push(bot.queue.queued.add((update) => this.#add({ update, to: bot.id, at: this.now() })))
  }

  /** @internal */
  readonly note = (made: BotCall): void => {
    if (!this.#stopped && !TRANSPORT.has(made.method)) this.#add({ made })
  }

  #add(entry: UpdateEntry | { readonly made: BotCall }): void {
    if (this.#entries.length < MOST_ENTRIES) this.#entries.push(entry)
    else this.#overflowed = true
  }

  /** Number of updates and calls recorded so far. */
  get length(): number {
    return this.#entries.length
  }

  /** Stops recording. */
  stop(): void {
    this.#stopped = true
    for (const end of this.#ends.splice(0)) end()
  }

  /**
   * Returns the recording as text, one JSON object per line, to be saved in a file and replayed by `telegram.replays(text)`.
   * Tokens of bots, secrets of webhooks and payment providers are redacted; messages are not.
   *
   * @throws SentinelError `telegram.invalid` if more than 100,000 updates and calls were recorded.
   */
  text(): string {
    if (this.#overflowed)
      throw new SentinelError(
        'telegram.invalid',
        `The recording is too long: more than ${MOST_ENTRIES} updates and calls. Record a shorter run, or stop() it earlier.`,
      )
    return write({
      startedAt: this.#startedAt,
      bots: this.#bots.map(({ me }) => me),
      entries: this.#entries.map((entry) => ('made' in entry ? entryOf(entry.made) : entry)),
    })
  }
}

function entryOf({ bot, method, params, at, result }: BotCall): CallEntry {
  return { call: method, by: bot.id, at, params, ...(result !== undefined && { result }) }
}
