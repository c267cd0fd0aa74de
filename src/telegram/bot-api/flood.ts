import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { type Limit, type LimitInput, parseLimit } from '../../core/limit.js'
import { isGroup, type WorldChat } from '../world/chats/chats.js'
import { Refusal } from '../world/refusal.js'
import { type Call, chatOf } from './call.js'

/**
 * How fast a bot may send before Telegram answers 429 with `retry_after`. Each limit is a number of messages in any window of
 * that length on the embedded Telegram's clock, for example `'20/1m'`; `false` removes the limit. Defaults follow [Telegram's
 * FAQ](https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this).
 *
 * @example
 * ```ts
 * import { type FloodLimits, startTelegram } from 'grammy-sentinel/testing'
 *
 * const limits: FloodLimits = { group: '3/1m', overall: false }
 * const telegram = await startTelegram({ clock: 'virtual', limits })
 * await telegram.close()
 * ```
 */
export interface FloodLimits {
  /** Messages to the same chat. Default: `'5/5s'`: one per second, with short bursts. */
  readonly chat?: LimitInput | false
  /** Messages to the same group, in addition to `chat`. Default: `'20/1m'`. */
  readonly group?: LimitInput | false
  /** Messages to all chats together. Default: `'30/1s'`. */
  readonly overall?: LimitInput | false
}

const USUAL = { chat: '5/5s', group: '20/1m', overall: '30/1s' } as const

/** Methods that send messages; excludes those whose names merely begin the same way. */
const SENDS = /^(?:send(?!ChatAction|\w*Draft$|ChatJoinRequestWebApp|Gift)|forward|copy)/

/** @throws SentinelError `limit.invalid` or `telegram.invalid` for an invalid limit. */
export function readFloodLimits(given: boolean | FloodLimits): Flood | undefined {
  if (given === false) return undefined
  const wanted = given === true ? {} : given
  const limits = Object.entries({ ...USUAL, ...wanted }).map(([name, input]) => {
    const what = `startTelegram: limits.${name}`
    if (!(name in USUAL))
      throw new SentinelError('telegram.invalid', `${what} is not a limit. Limits: chat, group, overall.`)
    if (input === false) return [name, undefined]
    const limit = parseLimit(input, what)
    if (limit.burst !== undefined)
      throw new SentinelError(
        'telegram.invalid',
        `${what} has a burst, which these limits cannot have. Write '5/5s' for one a second, five at once.`,
      )
    return [name, limit]
  })
  return new Flood(Object.fromEntries(limits))
}

type Limits = { readonly [Name in keyof typeof USUAL]?: Limit | undefined }

/** Counts the messages that bots send. */
export class Flood {
  /** Times at which a bot's messages were sent, oldest first, per limit that they count towards. */
  readonly #sent = new Map<string, Ms[]>()

  constructor(private readonly limits: Limits) {}

  /**
   * Counts the call's messages. The returned function uncounts them, for a call that Telegram then refused.
   *
   * @throws Refusal 429 if a limit is reached; then nothing is counted.
   */
  admit(method: string, call: Call): (() => void) | undefined {
    if (!SENDS.test(method)) return undefined
    const chat = knownChat(call)
    if (chat === undefined) return undefined
    const now = call.world.clock.now()
    const count = messagesIn(call)
    const counters = this.#countersOf(call.bot.id, chat).map(([key, limit]) => {
      const log = (this.#sent.get(key) ?? []).filter((at) => at > now - limit.per)
      return { key, limit, log }
    })
    const waits = counters.map(({ limit, log }) => waitOf(limit, log, count, now))
    const wait = Math.ceil(Math.max(0, ...waits) / 1000)
    if (wait > 0) throw new Refusal(429, `Too Many Requests: retry after ${wait}`, { retry_after: wait })
    const fresh = Array<Ms>(count).fill(now)
    for (const { key, log } of counters) this.#sent.set(key, [...log, ...fresh])
    this.#forgetIdle(now)
    return () => {
      for (const { key } of counters) {
        const log = this.#sent.get(key) ?? []
        const first = log.indexOf(now)
        if (first >= 0) log.splice(first, count)
      }
    }
  }

  #countersOf(botId: number, chat: WorldChat): readonly (readonly [string, Limit])[] {
    const chatId = chat.kind === 'private' ? chat.person.id : chat.id
    const { limits } = this
    const counters = [
      [`overall ${botId}`, limits.overall],
      [`chat ${botId} ${chatId}`, limits.chat],
      [`group ${botId} ${chatId}`, isGroup(chat) ? limits.group : undefined],
    ] as const
    return counters.flatMap(([key, limit]) => (limit === undefined ? [] : [[key, limit] as const]))
  }

  /** Drops the logs of chats that were not written to within the longest window. */
  #forgetIdle(now: Ms): void {
    if (this.#sent.size < 1000) return
    const longest = Math.max(...Object.values(this.limits).map((limit) => limit?.per ?? 0))
    for (const [key, log] of this.#sent) if ((log.at(-1) ?? 0) <= now - longest) this.#sent.delete(key)
  }
}

/** Time until `count` more messages fit. An album larger than the limit may be sent once the window is empty. */
function waitOf({ amount, per }: Limit, log: readonly Ms[], count: number, now: Ms): Ms {
  const over = Math.min(log.length + count - amount, log.length)
  const last = over > 0 ? log[over - 1] : undefined
  return last === undefined ? 0 : last + per - now
}

function messagesIn({ params }: Call): number {
  return Math.max(1, (params.list('media') ?? params.list('message_ids') ?? []).length)
}

/** Returns undefined for an unknown chat: the method itself reports that error. */
function knownChat(call: Call): WorldChat | undefined {
  try {
    return chatOf(call)
  } catch (error) {
    if (error instanceof Refusal) return undefined
    throw error
  }
}
