import type { ApiClientOptions } from 'grammy'
import type { Chat, ChatMember, Message, UserFromGetMe } from 'grammy/types'
import type { Account, BotAccount } from '../world/accounts.js'
import { describeChat, type SharedChat } from '../world/chats.js'
import { describeMember } from '../world/members.js'
import type { World } from '../world/world.js'

/**
 * What `new Bot(token, config)` takes: how to get to this Telegram, and what getMe would answer, to spare the call.
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
  /** For `new Bot(token, …)`. It works at this Telegram only. */
  readonly token: string
  /** What getMe answers; hand it to grammY as `botInfo` to spare the call. */
  readonly info: UserFromGetMe
  /** For `new Bot(token, config)`: right over HTTP as well as within the process. */
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
    // grammY names the type of node-fetch on Node; it asks for no more than the platform's own has.
    this.config = { client: client as ApiClientOptions, botInfo: account.me }
  }

  /** How many updates wait for the bot, unconfirmed. */
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

  /** What it is called now. */
  get title(): string {
    return this.room.title
  }

  /** As the Bot API describes it. */
  get chat(): Chat {
    return describeChat(this.room)
  }

  /** The messages that are there now, oldest first; ephemeral ones come last. */
  get messages(): readonly Message[] {
    return this.room.history.all().map((stored) => stored.message)
  }

  /** Where somebody stands, as the Bot API describes it: `plaza.member(alice).status`. */
  member(who: { readonly account: Account }): ChatMember {
    return describeMember(who.account.user, this.world.membership(this.room, who.account.id), 0)
  }
}

/**
 * A supergroup.
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
  readonly kind = 'supergroup'
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
