import type { Transformer } from 'grammy'
import { checkedClock } from '../core/checked-clock.js'
import type { Clock, Timers } from '../core/clock.js'
import { SentinelError } from '../core/errors.js'
import { errorText } from '../core/redact.js'
import { parseOptions } from '../middleware/options/schema.js'
import type { Storage } from '../storage/storage.js'
import { guarded } from './callbacks.js'
import { type OutgoingOptions, outgoingOptions } from './options.js'
import { Sender } from './sender.js'
import { ignoring, transformer } from './transformer.js'

/**
 * What {@link outgoing} may be put into, where no sentinel does that.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { outgoing, type OutgoingSetting } from 'grammy-sentinel'
 * import { redis } from 'grammy-sentinel/redis'
 *
 * const bot = new Bot('123:token')
 * const setting: OutgoingSetting = { bot: 123, storage: redis('redis://localhost:6379') }
 * bot.api.config.use(outgoing({}, setting))
 * ```
 */
export interface OutgoingSetting {
  /** The bot's id: what stands before the colon of its token. Needed with a `storage`. */
  readonly bot?: number | undefined
  /** Where workers tell each other which chats to wait for. @default each for itself */
  readonly storage?: Pick<Storage, 'marks' | 'watch'> | undefined
  /** Tells the time in milliseconds since 1970. @default a clock that is never set, and `Date.now` for what workers tell */
  readonly clock?: Clock | undefined
  /** Schedules waits. @default setTimeout */
  readonly timers?: Timers | undefined
  /** A number from 0 up to 1, for jitter. @default Math.random */
  readonly random?: (() => number) | undefined
}

/**
 * How calls have fared since the transformer was made, in this process.
 *
 * @example
 * ```ts
 * import { outgoing, type OutgoingHealth } from 'grammy-sentinel'
 *
 * const line = ({ calls, limited, gaveUp }: OutgoingHealth) => `${limited} of ${calls} limited, ${gaveUp} given up`
 * console.log(line(outgoing().health()))
 * ```
 */
export interface OutgoingHealth {
  /** Calls of the bot; those made again are counted once. */
  readonly calls: number
  /** Answers of 429. */
  readonly limited: number
  /** Calls that were made again, each time. */
  readonly retried: number
  /** Calls whose callers got a 429. */
  readonly gaveUp: number
  /** Of these, those that were one too many to wait, for themselves or of chats that are waited for. */
  readonly overloaded: number
  /** Calls that failed since a group has another id. */
  readonly migrated: number
  /** How long calls have waited, together, in milliseconds. */
  readonly waitedMs: number
  /** Calls that wait now. */
  readonly waiting: number
  /** Chats (and methods that concern none) that calls wait for, or go through in order, now. */
  readonly paused: number
  /** Pauses that other workers told of. */
  readonly heard: number
}

/**
 * What {@link outgoing} makes: an API transformer of grammY that can be asked how it fares.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { type Outgoing, outgoing } from 'grammy-sentinel'
 *
 * const bot = new Bot('123:token')
 * const calls: Outgoing = outgoing()
 * bot.api.config.use(calls)
 * console.log(calls.health().limited)
 * await calls.close()
 * ```
 */
export interface Outgoing extends Transformer {
  /** How calls have fared. */
  health(): OutgoingHealth
  /** Ends all waits: those who wait get their 429. Calls that come later are made as if it were not there. Idempotent. */
  close(): Promise<void>
}

/**
 * Waits out Telegram's 429, for the one chat that is limited: an API transformer.
 *
 * A call that is answered 429 is made again after `retry_after`. Until then no call to the same chat is made; they follow in the order
 * they were made, one after the other, and calls to other chats go on as if nothing were. Where five chats are limited within a
 * second, it is the whole bot that sends too much: then all that would write messages waits, and begins again slowly. Calls that
 * concern no chat (`answerInlineQuery`) wait for their own method. `getUpdates` is left alone, for whoever polls waits by itself.
 *
 * Nothing is held back before Telegram has said so:
 * [grammY's guide](https://grammy.dev/advanced/flood) tells why limiting by guess does more harm than good.
 *
 * A call waits for `maxWait` at most, `maxWaiting` of them do, and each is made `attempts` times at most. What is given up is not
 * lost: its caller gets the 429 as a `GrammyError`. A call can be called off by its signal while it waits. Files out of a stream
 * are read once, so a call that carries one is not made again.
 *
 * With a storage that workers share, one worker's 429 is enough for all; see {@link OutgoingSetting}, or let
 * `sentinel({ outgoing: {} })` see to it.
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
export function outgoing(options: OutgoingOptions = {}, setting: OutgoingSetting = {}): Outgoing {
  const settings = parseOptions('outgoing', outgoingOptions, options) as OutgoingOptions
  const { bot, storage, clock, timers, random = Math.random } = setting
  checkedClock(clock, 'outgoing.clock')
  if (storage !== undefined && bot === undefined) {
    throw new SentinelError(
      'option.invalid',
      'outgoing.bot: is missing; with a storage say whose chats these are: { bot: 123, storage }, the number before the colon of the token.',
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
