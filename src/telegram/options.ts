import type { ChatAdministratorRights, Update } from 'grammy/types'
import type { Duration } from '../core/duration.js'
import type { FloodLimits } from './bot-api/flood.js'
import type { Somebody } from './people/member-presence.js'
import type { Person } from './people/person.js'
import type { TelegramGroup } from './people/places.js'
import type { ClockSource } from './world/clock.js'

/**
 * How to start an embedded Telegram. Everything is optional.
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
  /** Default: 'real'. `'virtual'` stands still until advanced; a function is a clock of your own. */
  readonly clock?: ClockSource
  /** Port to listen on. Default: 0, any free one. */
  readonly port?: number
  /** Address to listen on. Default: 127.0.0.1, so that nobody but this machine gets to it. */
  readonly host?: string
  /**
   * Names of this machine that requests may name in `Host`, besides those for itself; for instance that of a container.
   * Default: none. With a `host` that others reach, its addresses are always good.
   */
  readonly hostNames?: readonly string[]
  /**
   * Serves the control API below `/control`, for tests in other languages; see `telegram.control`. Its token is made unless you
   * give one of 16 characters or more. Default: false.
   */
  readonly control?: boolean | { readonly token: string }
  /** How long people wait for a bot, in real time. Default: 2s. */
  readonly patience?: Duration
  /** Real time before a failed webhook delivery is repeated; doubles each time. Default: 1s. */
  readonly webhookRetry?: Duration
  /** Real time a webhook may take to answer. Default: 60s. */
  readonly webhookTimeout?: Duration
  /**
   * How fast bots may send before they get 429. Default: false, as fast as they can, so that no test fails for how quick it
   * is. `true` is as Telegram has it, an object changes some of it.
   */
  readonly limits?: boolean | FloodLimits
}

/**
 * Where the control API is.
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
  /** Such as `http://127.0.0.1:8081/control`. */
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
  /** Whether it takes inline queries. Default: true. */
  readonly inline?: boolean
  /**
   * Privacy mode: unless it is an administrator, the bot gets only commands meant for it, replies to it, and service messages of
   * its groups. Default: false, whereas BotFather's is true: guards are for bots that see everything.
   */
  readonly privacy?: boolean
  /** Whether requests to join come to it with a `query_id`, to be answered within ten seconds. Default: false. */
  readonly joinRequestQueries?: boolean
  /** Whether it is told which of its inline results somebody picked. Default: true, whereas BotFather's is false. */
  readonly inlineFeedback?: boolean
  readonly id?: number
}

/**
 * An administrator: somebody with all rights (but not anonymous), or with some taken away.
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
 * A group to create. Its members are there from the start: no update tells of it.
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
  /** Makes it public. Without the @. */
  readonly username?: string
  /** Gives it topics; a channel has none. Default: false. */
  readonly forum?: boolean
  /** A basic group, as people make them: without topics and restrictions, until somebody upgrades it. Default: false. */
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
  /** The group its posts are discussed in. */
  readonly linkedGroup?: TelegramGroup
}

/**
 * An update to inject: any of the Bot API. Without an id it gets the next one.
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
