import type { Update } from 'grammy/types'
import { type Duration, parseDuration } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { BotApi } from './bot-api/bot-api.js'
import type { BotCall } from './bot-api/calls.js'
import type { Faults } from './bot-api/faults.js'
import { readFloodLimits } from './bot-api/flood.js'
import { DEFAULT_TIMING } from './bot-api/link.js'
import { type RunningServer, serve } from './bot-api/server.js'
import type { NewChannel, NewGroup, NewTelegramBot, NewUser, RawUpdate, TelegramOptions } from './options.js'
import { Person } from './people/person.js'
import { TelegramBot, TelegramChannel, TelegramGroup } from './people/places.js'
import { Patience } from './people/waiting.js'
import type { SharedChat } from './world/chats.js'
import { createClock, type TelegramClock } from './world/clock.js'
import { completeRights, MEMBER } from './world/members.js'
import { newForum } from './world/topics.js'
import { World } from './world/world.js'

/**
 * A Telegram of your own; see {@link startTelegram}.
 *
 * @example
 * ```ts
 * import { startTelegram, type Telegram } from 'grammy-sentinel/testing'
 *
 * async function inAFreshTelegram(story: (telegram: Telegram) => Promise<void>) {
 *   const telegram = await startTelegram()
 *   try {
 *     await story(telegram)
 *   } finally {
 *     await telegram.close()
 *   }
 * }
 * export { inAFreshTelegram }
 * ```
 */
export class Telegram {
  readonly clock: TelegramClock
  readonly faults: Faults
  readonly #world: World
  readonly #api: BotApi
  readonly #patience: Patience
  readonly #server: RunningServer

  /** @internal */
  constructor(world: World, api: BotApi, patience: Patience, server: RunningServer) {
    this.#world = world
    this.#api = api
    this.#patience = patience
    this.#server = server
    this.clock = world.clock
    this.faults = api.faults
  }

  /** For grammY: `new Bot(token, { client: { apiRoot } })`. */
  get apiRoot(): string {
    return this.#server.apiRoot
  }

  createUser(options: NewUser): Person {
    return new Person(this.#world, this.#patience, this.#world.accounts.addPerson(options))
  }

  /** Unless asked for, privacy mode is off: the bot gets every message of its groups. */
  createBot(options: NewTelegramBot): TelegramBot {
    return new TelegramBot(this.#world.accounts.addBot(options))
  }

  createGroup(options: NewGroup): TelegramGroup {
    const forum = options.forum === true ? newForum() : undefined
    const room = this.#world.addSharedChat('supergroup', options, forum)
    this.#settle(room, options)
    return new TelegramGroup(this.#world, room)
  }

  createChannel(options: NewChannel): TelegramChannel {
    const room = this.#world.addSharedChat('channel', options)
    this.#settle(room, options)
    const group = options.linkedGroup?.room
    if (group !== undefined) {
      room.linkedId = group.id
      group.linkedId = room.id
    }
    return new TelegramChannel(this.#world, room)
  }

  #settle(room: SharedChat, options: NewGroup): void {
    for (const { account } of options.members ?? []) room.members.set(account.id, MEMBER)
    for (const admin of options.admins ?? []) {
      const { account } = 'who' in admin ? admin.who : admin
      const given = 'who' in admin ? admin.rights : {}
      const rights = completeRights(room.kind, given, true)
      room.members.set(account.id, { status: 'administrator', rights, promotedBy: options.owner.id })
    }
    room.members.set(options.owner.id, { status: 'creator', isAnonymous: false })
  }

  /** The last ten thousand calls bots made (of one method), oldest first. */
  calls(method?: string): readonly BotCall[] {
    return this.#api.log.list(method)
  }

  /**
   * Resolves with the first answered call of the method, made already or yet to come.
   *
   * @throws SentinelError `telegram.invalid` after the time-out (default: the patience of people).
   */
  called(
    method: string,
    options: { readonly where?: (call: BotCall) => boolean; readonly timeout?: Duration } = {},
  ): Promise<BotCall> {
    const { where = () => true, timeout } = options
    const isMeant = (call: BotCall) => call.method.toLowerCase() === method.toLowerCase()
    return this.#patience.until({
      find: (news?: BotCall) => {
        const candidates = news === undefined ? this.calls(method) : [news].filter(isMeant)
        return candidates.find((call) => call.result !== undefined && where(call))
      },
      watch: (listener) => this.#api.log.watch(listener),
      otherwise: (waited) => {
        const made = new Set(this.calls().map((call) => call.method))
        return `No bot called ${method} (as wanted) within ${waited} ms. Methods called so far: ${[...made].join(', ') || 'none'}.`
      },
      timeout,
    })
  }

  /**
   * Gives the bot a raw update, whatever its allowed_updates say. The same id twice is a redelivery. A query in it
   * can be answered; `called` tells how it was.
   */
  deliver(bot: TelegramBot, update: RawUpdate): Update {
    return this.#world.inject(bot.account, update)
  }

  /**
   * Resolves once no update waits any more: each was confirmed by the next getUpdates, or taken by the webhook. Under
   * grammY's own polling (`bot.start`) all handlers have then finished; under a runner they may still be at work.
   *
   * @throws SentinelError `telegram.invalid` after the time-out, naming the bots that did not fetch.
   */
  async settled(
    options: { readonly bots?: readonly TelegramBot[]; readonly timeout?: Duration } = {},
  ): Promise<void> {
    const bots = options.bots?.map((bot) => bot.account) ?? this.#world.accounts.bots()
    await this.#patience.until<true, void>({
      find: () => (bots.every((bot) => bot.queue.size === 0) ? true : undefined),
      watch: (listener) => {
        const ends = bots.map((bot) => bot.queue.watch(listener))
        return () => {
          for (const end of ends) end()
        }
      },
      otherwise: (waited) => {
        const busy = bots.filter((bot) => bot.queue.size > 0)
        const names = busy.map((bot) => `@${bot.me.username} (${bot.queue.size} updates)`).join(', ')
        return `Not settled within ${waited} ms: ${names}. Is the bot started? Name the bots that matter: settled({ bots: [bot] }).`
      },
      timeout: options.timeout,
    })
  }

  /** Ends everything: waiting polls get 409, webhooks stop, and who still waits is told so. */
  async close(): Promise<void> {
    this.#api.close()
    this.#patience.close()
    await this.#server.close()
  }
}

/**
 * Starts a Telegram on 127.0.0.1: users, groups and channels that a real bot moderates over real HTTP, without the
 * network. It serves the Bot API that moderation needs; any other method answers 501.
 *
 * It is bounded: bodies of 50 MB, 100,000 updates a bot (each kept for a day), 100,000 messages a chat, 256 MB of
 * files, 10,000 recorded calls; beyond that the oldest go. Only requests to a loopback `Host` are served, and webhooks
 * are delivered to this machine alone.
 *
 * @throws SentinelError `duration.invalid`, `limit.invalid` or `telegram.invalid` for an option that cannot be.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { startTelegram } from 'grammy-sentinel/testing'
 *
 * const telegram = await startTelegram()
 * const account = telegram.createBot({ username: 'echo_bot' })
 * const alice = telegram.createUser({ firstName: 'Alice' })
 *
 * const bot = new Bot(account.token, { client: { apiRoot: telegram.apiRoot } })
 * bot.on('message:text', (ctx) => ctx.reply(ctx.message.text.toUpperCase()))
 * void bot.start()
 *
 * await alice.to(account).sends('hello')
 * await alice.hears('HELLO')
 *
 * await bot.stop()
 * await telegram.close()
 * ```
 */
export async function startTelegram(options: TelegramOptions = {}): Promise<Telegram> {
  const { clock = 'real', port = 0 } = options
  if (clock !== 'real' && clock !== 'virtual' && typeof clock !== 'function')
    throw new SentinelError(
      'telegram.invalid',
      `startTelegram: clock ${JSON.stringify(clock)} is none. Use 'real', 'virtual' or a function that tells milliseconds.`,
    )
  const patience = new Patience(parseDuration(options.patience ?? '2s', 'startTelegram: patience'))
  const world = new World(createClock(clock))
  const timing = {
    retry: parseDuration(options.webhookRetry ?? DEFAULT_TIMING.retry, 'startTelegram: webhookRetry'),
    timeout: parseDuration(options.webhookTimeout ?? DEFAULT_TIMING.timeout, 'startTelegram: webhookTimeout'),
  }
  const api = new BotApi(world, timing, readFloodLimits(options.limits ?? false))
  return new Telegram(world, api, patience, await serve(api, port))
}
