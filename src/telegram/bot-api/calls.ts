import type { Ms } from '../../core/duration.js'
import { Listeners } from '../world/collections/listeners.js'

/**
 * A call that a bot made to the embedded Telegram. Never contains tokens or webhook secrets.
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
  /** Number of the call, counted from 1 over all bots. */
  readonly number: number
  readonly bot: { readonly id: number; readonly username: string }
  /** In Telegram's spelling (`sendMessage`), whatever the case in the bot's call. */
  readonly method: string
  /**
   * Parameters, independent of their encoding: strings from forms are converted to the types of the method (an id is a number),
   * and a file is represented by `file_name`, `mime_type` and `file_size` in its place.
   */
  readonly params: Readonly<Record<string, unknown>>
  /** Milliseconds since 1970, on the clock of the embedded Telegram. */
  readonly at: Ms
  /** Telegram's answer; absent while the call is in progress, or if a fault cut the connection. */
  readonly result?: CallResult
}

/**
 * Telegram's answer to a call, in the format of the Bot API.
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

type RecordedCall = { -readonly [Key in keyof BotCall]: BotCall[Key] }

/** The last 10,000 calls, in the order they arrived. */
export class CallLog {
  readonly #calls: RecordedCall[] = []
  #count = 0
  /** Told of each call as it arrives; its `result` is set later, on the same object. */
  readonly arrived = new Listeners<[BotCall]>()
  /** Told of each call once it is answered. */
  readonly finished = new Listeners<[BotCall]>()

  add(told: Omit<RecordedCall, 'number'>): RecordedCall {
    const call = { number: ++this.#count, ...told }
    this.#calls.push(call)
    this.arrived.tell(call)
    if (this.#calls.length > KEPT_AT_MOST) this.#calls.shift()
    return call
  }

  finish(call: RecordedCall, result: CallResult): void {
    call.result = result
    this.finished.tell(call)
  }

  list(method: string | undefined): readonly BotCall[] {
    return this.#calls.filter((call) => method === undefined || call.method === method)
  }
}
