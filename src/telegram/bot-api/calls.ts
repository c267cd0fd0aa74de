import type { Ms } from '../../core/duration.js'

/**
 * A call that a bot made to the embedded Telegram. It never carries a token, nor the secret of a webhook.
 *
 * @example
 * ```ts
 * import type { BotCall } from 'grammy-sentinel/testing'
 *
 * const describe = (call: BotCall) => `@${call.bot.username} called ${call.method}`
 * export { describe }
 * ```
 */
export interface BotCall {
  /** Counts all calls, from 1. */
  readonly number: number
  readonly bot: { readonly id: number; readonly username: string }
  /** As Telegram spells it, however the bot did: `sendMessage`. */
  readonly method: string
  /**
   * As the bot gave them, however it sent them: texts of forms are read by the types of the method (an id is a number), and a file is
   * told by `file_name`, `mime_type` and `file_size`, where it belongs.
   */
  readonly params: Readonly<Record<string, unknown>>
  /** Milliseconds, on the clock of the embedded Telegram. */
  readonly at: Ms
  /** What Telegram answered; absent while it is under way, or when a fault cut the connection. */
  readonly result?: CallResult
}

/**
 * Telegram's answer to a call, in its own shape.
 *
 * @example
 * ```ts
 * import type { CallResult } from 'grammy-sentinel/testing'
 *
 * const succeeded = (result: CallResult | undefined) => result?.ok === true
 * export { succeeded }
 * ```
 */
export type CallResult =
  | { readonly ok: true; readonly result: unknown }
  | {
      readonly ok: false
      readonly error_code: number
      readonly description: string
      readonly parameters?: { readonly retry_after?: number; readonly migrate_to_chat_id?: number }
    }

const KEPT_AT_MOST = 10_000

export type RecordedCall = { -readonly [Key in keyof BotCall]: BotCall[Key] }

/** The last ten thousand calls, in the order they came in. */
export class CallLog {
  readonly #calls: RecordedCall[] = []
  #count = 0
  readonly #listeners = new Set<(call: BotCall) => void>()
  readonly #newsListeners = new Set<(call: BotCall) => void>()

  add(told: Omit<RecordedCall, 'number'>): RecordedCall {
    const call = { number: ++this.#count, ...told }
    this.#calls.push(call)
    for (const listener of this.#newsListeners) listener(call)
    if (this.#calls.length > KEPT_AT_MOST) this.#calls.shift()
    return call
  }

  finish(call: RecordedCall, result: CallResult): void {
    call.result = result
    for (const listener of [...this.#listeners]) listener(call)
  }

  list(method: string | undefined): readonly BotCall[] {
    return this.#calls.filter((call) => method === undefined || call.method === method)
  }

  /** Calls back with each call as it comes in, until the returned function is called; its result follows in the same object. */
  watchNew(listener: (call: BotCall) => void): () => void {
    this.#newsListeners.add(listener)
    return () => this.#newsListeners.delete(listener)
  }

  /** Calls back with each finished call, until the returned function is called. */
  watch(listener: (call: BotCall) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
