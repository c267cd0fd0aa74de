import type { ChatAdministratorRights, Update } from 'grammy/types'
import type { Duration } from '../core/duration.js'
import type { FloodLimits } from './bot-api/flood.js'
import type { Somebody } from './people/member-presence.js'
import type { Person } from './people/person.js'
import type { TelegramGroup } from './people/places.js'
import type { ClockSource } from './world/clock.js'

/**
 * Options of an embedded Telegram. All are optional.
 *
 * @example
 * ```ts
 * import { startTelegram, type TelegramOptions } from 'grammy-sentinel/testing'
 *
 * const options: TelegramOptions = { clock: 'virtual', webhookRetry: '50ms' }
 * const telegram = await startTelegram(options)
 * await telegram.close()
 * ```
 */
export interface TelegramOptions {
  /** Default: 'real'. `'virtual'` stands still until advanced; a function is a custom clock. */
  readonly clock?: ClockSource
  /** Port to listen on. Default: 0, any free port. */
  readonly port?: number
  /** Address to listen on. Default: 127.0.0.1, reachable from this machine only. */
  readonly host?: string
  /**
   * Host names that requests may carry in `Host`, besides the loopback names; for instance the name of a container. Default:
   * none. Unless `host` is a loopback address, IP addresses are always accepted.
   */
  readonly hostNames?: readonly string[]
  /**
   * Serves the control API below `/control`, for tests in other languages; see `telegram.control`. A token is generated unless
   * you pass one of at least 16 characters. Default: false.
   */
  readonly control?: boolean | { readonly token: string }
  /**
   * How long waits such as `hears()` last before they fail, in real time. A stall of the machine uses up a tenth of it at most.
   * Default: 2s.
   */
  readonly patience?: Duration
  /** Real time before a failed webhook delivery is retried; doubles with each retry. Default: 1s. */
  readonly webhookRetry?: Duration
  /** Real time a webhook may take to answer. Default: 60s. */
  readonly webhookTimeout?: Duration
  /**
   * How fast bots may send before they get 429. Default: false, no limit, so that tests do not fail for being fast. `true` uses
   * Telegram's own limits; an object overrides some of them.
   */
  readonly limits?: boolean | FloodLimits
}

/**
 * URL and token of the control API.
 *
 * @example
 * ```ts
 * import type { ControlAddress } from 'grammy-sentinel/testing'
 *
 * async function newUser({ url, token }: ControlAddress, first_name: string): Promise<unknown> {
 *   const response = await fetch(`${url}/users`, {
 *     method: 'POST',
 *     headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
 *     body: JSON.stringify({ first_name }),
 *   })
 *   return response.json()
 * }
 * export { newUser }
 * ```
 */
export interface ControlAddress {
  /** For example `http://127.0.0.1:8081/control`. */
  readonly url: string
  /** For the header `Authorization: Bearer …`. */
  readonly token: string
}

/**
 * A person to create.
 *
 * @example
 * ```ts
 * import type { NewUser } from 'grammy-sentinel/testing'
 *
 * const alice: NewUser = { firstName: 'Alice', username: 'alice', languageCode: 'en', isPremium: true }
 * export { alice }
 * ```
 */
export interface NewUser {
  readonly firstName: string
  readonly lastName?: string
  /** Without the @. */
  readonly username?: string
  readonly languageCode?: string
  readonly isPremium?: boolean
  /** Default: the next free one. */
  readonly id?: number
}

/**
 * A bot to create.
 *
 * @example
 * ```ts
 * import type { NewTelegramBot } from 'grammy-sentinel/testing'
 *
 * const bot: NewTelegramBot = { username: 'guarded_bot' }
 * export { bot }
 * ```
 */
export interface NewTelegramBot {
  /** Ends in "bot". */
  readonly username: string
  /** Default: the username. */
  readonly firstName?: string
  /** Whether the bot takes inline queries. Default: true. */
  readonly inline?: boolean
  /**
   * Privacy mode: unless the bot is an administrator, it gets only commands addressed to it, replies to it, and service messages
   * of its groups. Default: false, unlike BotFather's default of true, because guards are for bots that see everything.
   */
  readonly privacy?: boolean
  /** Whether join requests reach the bot with a `query_id`, to be answered within ten seconds. Default: false. */
  readonly joinRequestQueries?: boolean
  /** Whether the bot is notified which of its inline results was picked. Default: true, unlike BotFather's default of false. */
  readonly inlineFeedback?: boolean
  readonly id?: number
}

/**
 * An administrator: by default with all rights except anonymity; `rights` can take some away.
 *
 * @example
 * ```ts
 * import type { NewAdministrator, TelegramBot } from 'grammy-sentinel/testing'
 *
 * const onlyWatching = (bot: TelegramBot): NewAdministrator => ({ who: bot, rights: { can_restrict_members: false } })
 * export { onlyWatching }
 * ```
 */
export type NewAdministrator =
  | Somebody
  | { readonly who: Somebody; readonly rights: Partial<ChatAdministratorRights> }

/**
 * A group to create. Its members are in it from the start: no update announces them.
 *
 * @example
 * ```ts
 * import type { NewGroup, Person, TelegramBot } from 'grammy-sentinel/testing'
 *
 * const plaza = (alice: Person, bob: Person, bot: TelegramBot): NewGroup => ({
 *   title: 'Plaza',
 *   owner: alice,
 *   members: [bob],
 *   admins: [bot],
 * })
 * export { plaza }
 * ```
 */
export interface NewGroup {
  readonly title: string
  readonly owner: Person
  readonly members?: readonly Somebody[]
  readonly admins?: readonly NewAdministrator[]
  /** Makes the group public. Without the @. */
  readonly username?: string
  /** Makes the group a forum, with topics; has no effect on a channel. Default: false. */
  readonly forum?: boolean
  /**
   * Lets only members write in the discussion group of a channel. By default everybody who can read the channel may comment
   * without joining, as in Telegram. Other groups always require it. Default: false.
   */
  readonly joinToWrite?: boolean
  /** Makes it a basic group, without topics and restrictions, until it is upgraded. Default: false. */
  readonly basic?: boolean
  readonly id?: number
}

/**
 * A channel to create.
 *
 * @example
 * ```ts
 * import type { NewChannel, Person, TelegramGroup } from 'grammy-sentinel/testing'
 *
 * const news = (alice: Person, plaza: TelegramGroup): NewChannel => ({
 *   title: 'News',
 *   owner: alice,
 *   linkedGroup: plaza,
 * })
 * export { news }
 * ```
 */
export interface NewChannel extends NewGroup {
  /** The discussion group of the channel: a supergroup, as in Telegram. */
  readonly linkedGroup?: TelegramGroup
}

/**
 * An update to inject: any kind of the Bot API. Without an id it gets the next one.
 *
 * @example
 * ```ts
 * import type { RawUpdate } from 'grammy-sentinel/testing'
 *
 * const update: RawUpdate = {
 *   poll_answer: {
 *     poll_id: '1',
 *     user: { id: 5, is_bot: false, first_name: 'Alice' },
 *     option_ids: [0],
 *     option_persistent_ids: ['0'],
 *   },
 * }
 * export { update }
 * ```
 */
export type RawUpdate = Omit<Update, 'update_id'> & { readonly update_id?: number }
