import type { Transformer } from 'grammy'
import { isPromise, type MaybePromise } from '../core/check.js'
import type { Abortable } from './calls.js'
import type { OutgoingSettings } from './options.js'
import type { Sender } from './sender.js'

/** Polling, which handles its own waits and must not delay other calls. */
const POLL = 'getupdates'

const NOTHING: OutgoingHealth = {
  calls: 0,
  limited: 0,
  retried: 0,
  gaveUp: 0,
  overloaded: 0,
  migrated: 0,
  waitedMs: 0,
  waiting: 0,
  paused: 0,
  heard: 0,
}

/** Returns a function that tells whether a method is sent unchanged. */
export function ignoring({ ignore = [] }: OutgoingSettings): (method: string) => boolean {
  const ignored = new Set([POLL, ...ignore].map((method) => method.toLowerCase()))
  return (method) => ignored.has(method.toLowerCase())
}

/**
 * Makes the transformer of a sender. Calls made while the sender is loading wait for it, in order. If loading fails, which the
 * loader reports, calls are sent unchanged.
 */
export function transformer(
  sending: MaybePromise<Sender | undefined>,
  isIgnored: (method: string) => boolean,
): Outgoing {
  let sender: Sender | undefined
  let awaited: Promise<Sender | undefined> | undefined
  // All later calls go through this promise, too. Otherwise they could overtake calls that waited for the sender.
  if (isPromise(sending)) {
    awaited = sending.then((made) => {
      sender = made
      return made
    })
  } else sender = sending
  const transform: Transformer = (prev, method, payload, signal) => {
    const call = (): ReturnType<typeof prev<typeof method>> => prev(method, payload, signal)
    if (isIgnored(method)) return call()
    // Read now, because `held` is only valid synchronously.
    const held = sender?.held
    const send = (by: Sender | undefined): ReturnType<typeof call> =>
      by === undefined ? call() : by.send(method, payload, signal as Abortable | undefined, call, held)
    return awaited === undefined ? send(sender) : awaited.then(send)
  }
  return Object.assign(transform, {
    health: (): OutgoingHealth =>
      sender === undefined
        ? NOTHING
        : {
            ...sender.counts,
            waiting: sender.waiting,
            paused: sender.paused,
            heard: sender.heard,
          },
    close: async () => {
      await (awaited === undefined ? sender : await awaited)?.close()
    },
  })
}

/**
 * Statistics of calls since the transformer was made, in this process.
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
  /** Calls of the bot; a repeated call counts once. */
  readonly calls: number
  /** Answers with 429. */
  readonly limited: number
  /** Repeated attempts. */
  readonly retried: number
  /** Calls that ended with a 429 for their caller. */
  readonly gaveUp: number
  /** Given-up calls because too many calls were waiting, in total or for the same chat, or too many chats were paused. */
  readonly overloaded: number
  /** Calls that failed because their group has a new id. */
  readonly migrated: number
  /** Total time that calls have waited, in milliseconds. */
  readonly waitedMs: number
  /** Calls that are waiting now. */
  readonly waiting: number
  /** Chats (and methods without a chat) whose calls are paused or in a queue now. */
  readonly paused: number
  /** Pauses received from other workers. */
  readonly heard: number
}

/**
 * The result of {@link outgoing}: an API transformer of grammY with statistics.
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
  /** Returns the statistics of calls. */
  health(): OutgoingHealth
  /** Ends all waits: waiting calls fail with their 429. Later calls are sent unchanged. Idempotent. */
  close(): Promise<void>
}
