import { checkedClock } from '../core/checked-clock.js'
import { checkedTimers } from '../core/checked-timers.js'
import type { Clock, Timers } from '../core/clock.js'
import { SentinelError } from '../core/errors.js'
import { errorText } from '../core/redact.js'
import type { Storage } from '../storage/contract/storage.js'
import { guarded } from './callbacks.js'
import { type OutgoingOptions, readOutgoing } from './options.js'
import { Sender } from './sender.js'
import { ignoring, type Outgoing, transformer } from './transformer.js'

/**
 * The environment of {@link outgoing} when it is used without a sentinel.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { outgoing, type OutgoingEnvironment } from 'grammy-sentinel'
 * import { redis } from 'grammy-sentinel/redis'
 *
 * const bot = new Bot('123:token')
 * const environment: OutgoingEnvironment = { bot: 123, storage: redis('redis://localhost:6379') }
 * bot.api.config.use(outgoing({}, environment))
 * ```
 */
export interface OutgoingEnvironment {
  /** The bot's id, the part of its token before the colon. Required with a `storage`. */
  readonly bot?: number | undefined
  /** Storage through which workers share pauses. @default none: each worker waits for itself */
  readonly storage?: Pick<Storage, 'marks' | 'watch'> | undefined
  /** Returns the time in milliseconds since 1970. @default a steady clock, and `Date.now` for shared pauses */
  readonly clock?: Clock | undefined
  /** Schedules waits. @default setTimeout */
  readonly timers?: Timers | undefined
  /** Returns a number from 0 up to 1, for jitter. @default Math.random */
  readonly random?: (() => number) | undefined
}

/**
 * Returns an API transformer that handles Telegram's error 429 by waiting, only in the chat that is limited.
 *
 * A call that is answered with 429 is repeated after `retry_after`. Until then no other call is sent to the same chat; these
 * calls follow one after the other, in the order in which they were made. Calls to other chats are not affected. If five chats
 * are limited within a second, the bot as a whole seems to send too much: then all calls that send messages wait for up to two
 * seconds, and resume slowly.
 * Calls without a chat (`answerInlineQuery`) wait for their own method only. `getUpdates` is never delayed, because polling
 * handles its own waits.
 *
 * Nothing is delayed before Telegram has answered 429: [grammY's guide](https://grammy.dev/advanced/flood) explains why guessing
 * limits does more harm than good.
 *
 * A call waits for at most `maxWait` and is sent at most `attempts` times; at most `maxWaiting` calls wait. A call that is given
 * up is not lost: its caller gets the 429 as a `GrammyError`. A waiting call can be aborted with its signal. A file from a stream
 * can be read only once, so a call with such a file is not repeated.
 *
 * With a storage that workers share, one worker's 429 pauses all of them: see {@link OutgoingEnvironment}, or use
 * `sentinel({ outgoing: {} })`.
 *
 * @param options See {@link OutgoingOptions}.
 * @throws SentinelError `option.unknown`, `option.invalid`, `duration.invalid`.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { outgoing } from 'grammy-sentinel'
 *
 * const bot = new Bot('123:token')
 * bot.api.config.use(outgoing({ maxWait: '2m' }))
 * ```
 */
export function outgoing(options: OutgoingOptions = {}, environment: OutgoingEnvironment = {}): Outgoing {
  const settings = readOutgoing(options)
  const { bot, storage, clock, timers, random = Math.random } = environment
  checkedClock(clock, 'outgoing.clock')
  checkedTimers(timers, 'outgoing.timers')
  if (storage !== undefined && bot === undefined) {
    throw new SentinelError(
      'option.invalid',
      'outgoing.bot: is missing; a storage needs the id of the bot, the number before the colon of its token: { bot: 123, storage }.',
    )
  }
  const { onLimited, onMigrated, onError } = settings
  const lastly = (error: unknown, during: string): void =>
    console.error(`grammy-sentinel: ${during} failed. ${errorText(error)}`)
  const told = guarded(onError, 'outgoing.onError', lastly)
  const failed =
    onError === undefined ? lastly : (error: unknown, during: string): void => told({ error, during })
  const sender = new Sender(settings, {
    bot,
    storage,
    clock,
    timers,
    random,
    failed,
    limited: guarded(onLimited, 'outgoing.onLimited', failed),
    migrated: guarded(onMigrated, 'outgoing.onMigrated', failed),
  })
  return transformer(sender, ignoring(settings))
}
