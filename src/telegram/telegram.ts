import type { Update, UserFromGetMe } from 'grammy/types'
import type { Duration } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import type { BotApi } from './bot-api/bot-api.js'
import type { BotCall } from './bot-api/calls.js'
import type { Faults } from './bot-api/faults.js'
import { fetchFrom } from './bot-api/fetch.js'
import { knownMethod } from './bot-api/schema/schema.js'
import type { RunningServer } from './bot-api/server.js'
import type { WebhookHandler } from './bot-api/webhook-delivery.js'
import type { NewMtproto, TelegramMtproto } from './mtproto/mtproto.js'
import type { ControlAddress, NewChannel, NewGroup, NewTelegramBot, NewUser, RawUpdate } from './options.js'
import { Person } from './people/person.js'
import { TelegramBot, TelegramChannel, TelegramGroup } from './people/places.js'
import { Given, type Patience } from './people/waiting.js'
import { Recording } from './record/recorder.js'
import { read } from './record/recording.js'
import { Replay, type ReplayOptions } from './record/replay.js'
import { type PollingBot, RunningBots, type RunOptions } from './running-bots.js'
import type { SharedChat } from './world/chats/chats.js'
import { completeRights, MEMBER } from './world/chats/members.js'
import { newForum } from './world/chats/topics.js'
import type { TelegramClock } from './world/clock.js'
import type { World } from './world/world.js'

/**
 * An embedded Telegram; see {@link startTelegram}.
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
  /**
   * A `fetch` that calls this Telegram directly, without the network, whether or not it listens on a port. For clients that
   * accept a custom `fetch`; the host in the URL does not matter.
   */
  readonly fetch: typeof fetch
  /** URL and token of the control API; undefined unless `startTelegram({ control })` enabled it. */
  readonly control: ControlAddress | undefined
  /** @internal */
  readonly parts: Parts
  readonly #world: World
  readonly #api: BotApi
  readonly #patience: Patience
  readonly #server: RunningServer | undefined
  readonly #running: RunningBots
  readonly #faces: TelegramMtproto[] = []
  readonly #recordings: Recording[] = []
  readonly #awaited = new Given<BotCall>()

  /** @internal */
  constructor({ world, api, patience }: Parts, server?: RunningServer, control?: ControlAddress) {
    this.parts = { world, api, patience }
    this.control = control
    this.#world = world
    this.#api = api
    this.#patience = patience
    this.#server = server
    this.#running = new RunningBots(api, patience)
    this.clock = world.clock
    this.faults = api.faults
    this.fetch = fetchFrom(api)
  }

  /**
   * Root of the Bot API, for clients: `new Bot(token, { client: { apiRoot } })`. With {@link createTelegram}, which opens no
   * port, it is an unreachable address that works only together with {@link Telegram.fetch}; `bot.config` holds both.
   */
  get apiRoot(): string {
    return this.#server?.apiRoot ?? NOWHERE
  }

  createUser(options: NewUser): Person {
    return new Person(this.#world, this.#patience, this.#world.accounts.addPerson(options))
  }

  /** Creates a bot. Privacy mode is off by default: the bot gets every message of its groups. */
  createBot(options: NewTelegramBot): TelegramBot {
    const client =
      this.#server === undefined ? { apiRoot: NOWHERE, fetch: this.fetch } : { apiRoot: this.apiRoot }
    const account = this.#world.accounts.addBot(options)
    for (const recording of this.#recordings) recording.follow(account)
    return new TelegramBot(account, client)
  }

  createGroup(options: NewGroup): TelegramGroup {
    if (options.basic === true && (options.forum === true || options.username !== undefined))
      throw new SentinelError(
        'telegram.invalid',
        'createGroup: a basic group has neither topics nor a username. Leave out forum and username, or basic.',
      )
    const forum = options.forum === true ? newForum() : undefined
    const room = this.#world.addSharedChat(options.basic === true ? 'group' : 'supergroup', options, forum)
    this.#settle(room, options)
    return new TelegramGroup(this.#world, room)
  }

  createChannel(options: NewChannel): TelegramChannel {
    const group = options.linkedGroup?.room
    if (group?.kind === 'group')
      throw new SentinelError(
        'telegram.invalid',
        'createChannel.linkedGroup: a basic group cannot be a discussion group. Create it without basic: true.',
      )
    const room = this.#world.addSharedChat('channel', options)
    this.#settle(room, options)
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

  /**
   * Returns the last 10,000 calls that bots made (only those of `method`, if given), oldest first.
   *
   * @throws SentinelError `telegram.invalid` for a method that does not exist in the Bot API.
   */
  calls(method?: string): readonly BotCall[] {
    return this.#api.log.list(method === undefined ? undefined : knownMethod(method, 'calls'))
  }

  /**
   * Resolves with the first answered call of the method (`'*'`: any method), past or future. Each call is returned only once, so
   * a second `called()` waits for another call, unless `ever` is set. `calls()` lists all of them.
   *
   * @throws SentinelError `telegram.invalid` after the time-out (default: the `patience` option); at once for a method that does
   * not exist in the Bot API.
   */
  async called(
    method: string,
    options: {
      /** Selects among the calls of the method. @default all */
      readonly where?: (call: BotCall) => boolean
      /** Also accepts a call that an earlier `called()` returned. @default false */
      readonly ever?: boolean
      readonly timeout?: Duration
    } = {},
  ): Promise<BotCall> {
    const { where = () => true, ever = false, timeout } = options
    const wanted = method === '*' ? undefined : knownMethod(method, 'called')
    const isNamed = (call: BotCall) => wanted === undefined || call.method === wanted
    const isMeant = (call: BotCall) => isNamed(call) && call.result !== undefined && where(call)
    return this.#patience.until({
      find: (news?: BotCall) => {
        const candidates = news === undefined ? this.calls() : [news]
        const found = candidates.find((call) => (ever || !this.#awaited.has(call)) && isMeant(call))
        if (found !== undefined) this.#awaited.note(found)
        return found
      },
      watch: this.#api.log.finished.add,
      otherwise: (waited) => {
        const made = new Set(this.calls().map((call) => call.method))
        const before = this.calls().some(isMeant) ? CALLED_BEFORE : ''
        return `No bot called ${method} (as wanted) within ${waited} ms. ${before}Methods called so far: ${[...made].join(', ') || 'none'}.`
      },
      timeout,
    })
  }

  /** Starts recording every update and call; see {@link Recording}. */
  records(): Recording {
    const recording = new Recording(this.clock.now)
    for (const bot of this.#world.accounts.bots()) recording.follow(bot)
    this.#api.log.arrived.add(recording.note)
    this.#recordings.push(recording)
    return recording
  }

  /**
   * Replays a recorded run, given as the text of the recording. The recorded bots are created anew here, with new tokens; see
   * {@link Replay}.
   *
   * @throws SentinelError `telegram.invalid` if the text is not a recording, or if one of its bots already exists here.
   */
  replays(recording: string, options: ReplayOptions = {}): Replay {
    const run = read(recording)
    const bots = run.bots.map((me) => this.createBot(likeOf(me)))
    const replay = new Replay(run, bots, this.#patience, options)
    for (const { id } of bots)
      this.#api.scripts.set(id, (method, params) => replay.answer(id, method, params))
    return replay
  }

  /**
   * Queues a raw update for the bot, regardless of its `allowed_updates`. Delivering the same `update_id` twice simulates a
   * redelivery. If the update holds a query, the bot can answer it, and `called` finds that call.
   */
  deliver(bot: TelegramBot, update: RawUpdate): Update {
    return this.#world.inject(bot.account, update)
  }

  /**
   * Resolves once no update is pending: each was confirmed by the next getUpdates, or accepted by the webhook. With grammY's own
   * polling (`bot.start`) all handlers have finished by then; with a runner, handlers may still be running, and so may messages
   * that guards send in the background, such as notices and menus: wait for these with `hears`.
   *
   * @throws SentinelError `telegram.invalid` after the time-out, naming the bots that did not fetch their updates.
   */
  async settled(
    options: { readonly bots?: readonly TelegramBot[]; readonly timeout?: Duration } = {},
  ): Promise<void> {
    const bots = options.bots?.map((bot) => bot.account) ?? this.#world.accounts.bots()
    await this.#patience.until<true, void>({
      find: () => (bots.every((bot) => bot.queue.size === 0) ? true : undefined),
      watch: (listener) => {
        const ends = bots.map((bot) => bot.queue.changed.add(listener))
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

  /**
   * Starts a grammY bot by long polling, and stops it in {@link Telegram.close}. Resolves once the bot asks for updates, so that
   * everything people do afterwards reaches it. If a handler throws and the bot has no error handler, the bot stops, as grammY
   * bots do; pending waits such as `hears()` then reject with the error, and if nothing was waiting, `close()` throws it.
   *
   * @throws SentinelError `telegram.invalid` for a bot whose token is not from this Telegram, or that would call
   * api.telegram.org because it was created without `account.config`, and if the bot does not start polling.
   */
  async runs(bot: PollingBot, options: RunOptions = {}): Promise<void> {
    await this.#running.start(bot, options)
  }

  /**
   * Passes webhook deliveries for this URL, which may have any host, to a function instead of the network. The returned function
   * undoes this. As in Telegram, `setWebhook` accepts only HTTPS on ports 443, 80, 88 and 8443, or plain HTTP on this machine.
   *
   * @throws SentinelError `telegram.invalid` if `url` is not a URL.
   */
  hosts(url: string, handler: WebhookHandler): () => void {
    return this.#api.hosts.add(url, handler)
  }

  /**
   * Opens an MTProto data centre on 127.0.0.1 over the same people, chats and messages. It needs the packages that
   * `grammy-sentinel/mtproto` needs, and loads them on first use. `close()` closes it.
   *
   * @throws SentinelError `mtproto.missing` if they are not installed.
   */
  async mtproto(options: NewMtproto = {}): Promise<TelegramMtproto> {
    const { serveMtproto } = await import('./mtproto/mtproto.js')
    const face = await serveMtproto(this.#world, options)
    this.#faces.push(face)
    return face
  }

  /**
   * Shuts down: stops bots started by `runs`, answers pending polls with 409, stops webhooks and rejects pending waits. Later API
   * calls get 409; later waits reject unless their result is already there.
   *
   * @throws the error that stopped a bot started by `runs`, unless a pending wait was already rejected with it.
   */
  async close(): Promise<void> {
    const stopped = this.#running.stop()
    await stopped.finally(async () => {
      this.#api.close()
      this.#patience.close()
      this.#world.clock.close()
      await Promise.all(this.#faces.splice(0).map((face) => face.close()))
      await this.#server?.close()
    })
    this.#running.complain()
  }

  /** Closes at the end of the block: `await using telegram = createTelegram()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

const CALLED_BEFORE =
  'One was waited for before, and each call is given once (say { ever: true } if the same one will do). '

/** Options that create a bot like the recorded one. */
function likeOf(me: UserFromGetMe): NewTelegramBot {
  return {
    id: me.id,
    username: me.username,
    firstName: me.first_name,
    inline: me.supports_inline_queries,
    privacy: !me.can_read_all_group_messages,
    joinRequestQueries: me.supports_join_request_queries,
  }
}

export interface Parts {
  readonly world: World
  readonly api: BotApi
  readonly patience: Patience
}

/** Address of a Telegram that opens no port; names below `.invalid` never resolve (RFC 2606). */
const NOWHERE = 'http://telegram.invalid'
