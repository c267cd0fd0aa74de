import type { ApiClientOptions } from 'grammy'
import {
  type BotConnection,
  createTelegram,
  type Person,
  type Telegram,
  type TelegramBot,
} from '../src/telegram/index.js'

/** A call that a bot made. */
export interface NotedCall {
  readonly bot: number
  readonly method: string
  readonly payload: Readonly<Record<string, unknown>>
}

/**
 * A Telegram for updates that tests make up: users, chats and queries that a bot refers to are created at its first call, as if they
 * had always existed.
 */
export class Extras {
  readonly telegram: Telegram
  readonly #owner: Person

  constructor(clock: () => number, called: (call: NotedCall) => void = () => undefined) {
    this.telegram = createTelegram({ clock })
    this.#owner = this.telegram.createUser({ firstName: 'Owner', id: 999_999_999 })
    this.telegram.parts.api.log.arrived.add(({ bot, method, params }) => {
      called({ bot: bot.id, method, payload: params })
    })
  }

  /** Creates a bot and returns the arguments of `new Bot(token, config)`. */
  hire(id: number): { readonly account: TelegramBot; readonly config: BotConnection } {
    const account = this.telegram.createBot({ username: `guarded${id}_bot`, firstName: 'Guarded', id })
    const { client, botInfo } = account.config
    const fetch = (url: string, init: RequestInit): Promise<Response> => {
      if (typeof init.body === 'string') this.#stage(account, JSON.parse(init.body))
      return this.telegram.fetch(url, init)
    }
    return { account, config: { client: { ...client, fetch } as ApiClientOptions, botInfo } }
  }

  /** Creates a group with these administrators and the bot. */
  gather(bot: TelegramBot, id: number, administrators: readonly number[]): void {
    const people = administrators.map((who) =>
      this.telegram.createUser({ firstName: `User ${who}`, id: who }),
    )
    this.telegram.createGroup({ title: 'Plaza', owner: this.#owner, admins: [bot, ...people], id })
  }

  #stage(bot: TelegramBot, params: Readonly<Record<string, unknown>>): void {
    const { world } = this.telegram.parts
    const id = Number(params.chat_id)
    if (id > 0) this.#meet(bot, id)
    if (id < 0) this.#open(bot, id, params.message_thread_id)
    const receiver = Object(params.ephemeral_message_parameters).receiver_user_id
    if (typeof receiver === 'number') this.#meet(bot, receiver)
    const members = world.sharedChat(id)?.members
    // Only members of a group can receive an ephemeral message.
    if (members?.has(receiver) === false) members.set(receiver, { status: 'member' })
    const queries = {
      callback_query_id: world.callbackQueries,
      inline_query_id: world.inlineQueries,
      pre_checkout_query_id: world.checkoutQueries,
      shipping_query_id: world.shippingQueries,
    }
    for (const [name, open] of Object.entries(queries))
      if (typeof params[name] === 'string') open.admit(params[name], bot.id)
  }

  #meet(bot: TelegramBot, id: number): void {
    const { world } = this.telegram.parts
    if (world.accounts.find(id) === undefined) this.telegram.createUser({ firstName: `User ${id}`, id })
    const account = world.accounts.find(id)
    if (account?.kind === 'person') world.privateChat(account, bot.account).started = true
  }

  #open(bot: TelegramBot, id: number, threadId: unknown): void {
    const { world } = this.telegram.parts
    if (world.sharedChat(id) === undefined)
      this.telegram.createGroup({ title: 'Plaza', owner: this.#owner, admins: [bot], forum: true, id })
    const room = world.sharedChat(id)
    if (room?.members.has(bot.id) === false)
      room.members.set(bot.id, { status: 'creator', isAnonymous: false })
    const topics = room?.forum?.topics
    if (typeof threadId === 'number' && topics?.has(threadId) === false)
      topics.set(threadId, {
        id: threadId,
        creatorId: this.#owner.id,
        name: 'Topic',
        color: 0x6fb9f0,
        emoji: undefined,
        isClosed: false,
      })
  }
}
