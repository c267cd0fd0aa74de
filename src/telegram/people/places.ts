import type { ApiClientOptions } from 'grammy'
import type { Chat, ChatMember, Message, UserFromGetMe } from 'grammy/types'
import type { Account, BotAccount } from '../world/accounts.js'
import { describeChat, type SharedChat } from '../world/chats/chats.js'
import { describeMember } from '../world/chats/members.js'
import type { World } from '../world/world.js'

/**
 * The arguments of `new Bot(token, config)`: the connection to this Telegram, and the answer of getMe to save that call.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import type { BotConnection, TelegramBot } from 'grammy-sentinel/testing'
 *
 * const configOf = (account: TelegramBot): BotConnection => account.config
 * const make = (account: TelegramBot) => new Bot(account.token, configOf(account))
 * export { make }
 * ```
 */
export interface BotConnection {
  readonly client: ApiClientOptions
  readonly botInfo: UserFromGetMe
}

/**
 * A bot's account: what BotFather would give you.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { createTelegram } from 'grammy-sentinel/testing'
 *
 * const telegram = createTelegram()
 * const account = telegram.createBot({ username: 'guarded_bot' })
 * const bot = new Bot(account.token, account.config)
 * console.log((await bot.api.getMe()).username) // 'guarded_bot'
 * await telegram.close()
 * ```
 */
export class TelegramBot {
  readonly id: number
  readonly username: string
  /** For `new Bot(token, …)`. Valid at this Telegram only. */
  readonly token: string
  /** The answer of getMe; pass it to grammY as `botInfo` to save that call. */
  readonly info: UserFromGetMe
  /** For `new Bot(token, config)`: works over HTTP as well as inside the process. */
  readonly config: BotConnection

  /** @internal */
  constructor(
    /** @internal */
    readonly account: BotAccount,
    client: { readonly apiRoot: string; readonly fetch?: typeof fetch },
  ) {
    this.id = account.id
    this.username = account.me.username
    this.token = account.token
    this.info = account.me
    // On Node, grammY types `fetch` as node-fetch's; it uses only what the platform's own fetch has, too.
    this.config = { client: client as ApiClientOptions, botInfo: account.me }
  }

  /** Number of updates that the bot has not confirmed yet. */
  get pending(): number {
    return this.account.queue.size
  }
}

abstract class SharedPlace {
  readonly id: number
  readonly username: string | undefined

  /** @internal */
  constructor(
    /** @internal */
    readonly world: World,
    /** @internal */
    readonly room: SharedChat,
  ) {
    this.id = room.id
    this.username = room.username
  }

  /** The current title. */
  get title(): string {
    return this.room.title
  }

  /** The chat as the Bot API describes it. */
  get chat(): Chat {
    return describeChat(this.room)
  }

  /** The current messages, oldest first; ephemeral messages come last. */
  get messages(): readonly Message[] {
    return this.room.history.all().map((stored) => stored.message)
  }

  /** Membership of a person or bot, as the Bot API describes it: `plaza.member(alice).status`. */
  member(who: { readonly account: Account }): ChatMember {
    return describeMember(who.account.user, this.world.membership(this.room, who.account.id), 0)
  }
}

/**
 * A group: a supergroup, or a basic group (`createGroup({ basic: true })`) until it is upgraded.
 *
 * @example
 * ```ts
 * import { startTelegram } from 'grammy-sentinel/testing'
 *
 * const telegram = await startTelegram()
 * const alice = telegram.createUser({ firstName: 'Alice' })
 * const plaza = telegram.createGroup({ title: 'Plaza', owner: alice })
 * console.log(plaza.member(alice).status) // 'creator'
 * await telegram.close()
 * ```
 */
export class TelegramGroup extends SharedPlace {
  /** `group` for a basic group; after `upgrades()` this remains the old group, and the supergroup is another object. */
  get kind(): 'group' | 'supergroup' {
    return this.room.kind === 'group' ? 'group' : 'supergroup'
  }
}

/**
 * A channel, perhaps with a discussion group.
 *
 * @example
 * ```ts
 * import { startTelegram } from 'grammy-sentinel/testing'
 *
 * const telegram = await startTelegram()
 * const alice = telegram.createUser({ firstName: 'Alice' })
 * const news = telegram.createChannel({ title: 'News', owner: alice })
 * await alice.in(news).posts('We are open')
 * console.log(news.messages.length) // 1
 * await telegram.close()
 * ```
 */
export class TelegramChannel extends SharedPlace {
  readonly kind = 'channel'
}
