import type { Update, UserFromGetMe } from 'grammy/types'
import { type Duration, parseDuration } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { BotApi } from './bot-api/bot-api.js'
import type { BotCall } from './bot-api/calls.js'
import type { WebhookHandler } from './bot-api/courier.js'
import type { Faults } from './bot-api/faults.js'
import { fetchFrom } from './bot-api/fetch.js'
import { readFloodLimits } from './bot-api/flood.js'
import { DEFAULT_TIMING } from './bot-api/link.js'
import { knownMethod } from './bot-api/schema/schema.js'
import { type Front, type RunningServer, serve } from './bot-api/server.js'
import type { NewMtproto, TelegramMtproto } from './mtproto/mtproto.js'
import { checkNames } from './option-names.js'
import type {
  ControlAddress,
  NewChannel,
  NewGroup,
  NewTelegramBot,
  NewUser,
  RawUpdate,
  TelegramOptions,
} from './options.js'
import { Person } from './people/person.js'
import { TelegramBot, TelegramChannel, TelegramGroup } from './people/places.js'
import { Given, Patience } from './people/waiting.js'
import { Recording } from './record/recorder.js'
import { read } from './record/recording.js'
import { Replay, type ReplayOptions } from './record/replay.js'
import { type PollingBot, RunningBots, type RunOptions } from './running-bots.js'
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
  /**
   * Asks this Telegram without the network, whichever way it was started: for clients that take a `fetch` of yours. Any
   * host in the URL will do.
   */
  readonly fetch: typeof fetch
  /** Where the control API is, and its token; undefined unless `startTelegram({ control })` asked for it. */
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
   * For clients: `new Bot(token, { client: { apiRoot } })`. Without a port it is an address that nobody has, and goes with
   * {@link Telegram.fetch}; `bot.config` has both.
   */
  get apiRoot(): string {
    return this.#server?.apiRoot ?? NOWHERE
  }

  createUser(options: NewUser): Person {
    return new Person(this.#world, this.#patience, this.#world.accounts.addPerson(options))
  }

  /** Unless asked for, privacy mode is off: the bot gets every message of its groups. */
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

  /**
   * The last ten thousand calls bots made (of one method), oldest first.
   *
   * @throws SentinelError `telegram.invalid` for a method that Telegram does not have.
   */
  calls(method?: string): readonly BotCall[] {
    return this.#api.log.list(method === undefined ? undefined : knownMethod(method, 'calls'))
  }

  /**
   * Resolves with the first answered call of the method (`'*'`: of any), made already or yet to come. Each call is given
   * once, unless with `ever`: who waits again waits for another. `calls()` has them all.
   *
   * @throws SentinelError `telegram.invalid` after the time-out (default: the patience of people); at once for a method that
   * Telegram does not have.
   */
  async called(
    method: string,
    options: {
      /** Which of them. @default all */
      readonly where?: (call: BotCall) => boolean
      /** One that was given before, too. @default false */
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
      watch: (listener) => this.#api.log.watch(listener),
      otherwise: (waited) => {
        const made = new Set(this.calls().map((call) => call.method))
        const before = this.calls().some(isMeant) ? CALLED_BEFORE : ''
        return `No bot called ${method} (as wanted) within ${waited} ms. ${before}Methods called so far: ${[...made].join(', ') || 'none'}.`
      },
      timeout,
    })
  }

  /** Writes down every update and call from now on; see {@link Recording}. */
  records(): Recording {
    const recording = new Recording(this.clock.now)
    for (const bot of this.#world.accounts.bots()) recording.follow(bot)
    this.#api.log.watchNew(recording.note)
    this.#recordings.push(recording)
    return recording
  }

  /**
   * Puts bots through a recorded run again, by its text. Here they are bots like others, with tokens of their own; see
   * {@link Replay}.
   *
   * @throws SentinelError `telegram.invalid` for a text that is no recording, and if one of its bots is here already.
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
   * Gives the bot a raw update, whatever its allowed_updates say. The same id twice is a redelivery. A query in it
   * can be answered; `called` tells how it was.
   */
  deliver(bot: TelegramBot, update: RawUpdate): Update {
    return this.#world.inject(bot.account, update)
  }

  /**
   * Resolves once no update waits any more: each was confirmed by the next getUpdates, or taken by the webhook. Under
   * grammY's own polling (`bot.start`) all handlers have then finished; under a runner they may still be at work, and
   * so may be what guards say aside, such as notices and menus: wait for these with `hears`.
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

  /**
   * Starts a bot of grammY's by long polling, and stops it at {@link Telegram.close}. Resolves when it asks for updates, so that
   * whatever people do from then on reaches it. If a handler throws and the bot catches nothing, it stops, as grammY's
   * bots do: then whoever waits is told why, or else `close()` throws.
   *
   * @throws SentinelError `telegram.invalid` for a bot with another token, and if it does not start.
   */
  async runs(bot: PollingBot, options: RunOptions = {}): Promise<void> {
    await this.#running.start(bot, options)
  }

  /**
   * Hands webhook deliveries for this address, any whatever, to a function instead of the network. The returned function
   * ends that.
   *
   * @throws SentinelError `telegram.invalid` for what is no URL.
   */
  hosts(url: string, handler: WebhookHandler): () => void {
    return this.#api.addresses.add(url, handler)
  }

  /**
   * Lets clients of MTProto in as well: a data centre on 127.0.0.1, over the same people, chats and messages. It needs the packages that
   * `grammy-sentinel/mtproto` does, and loads them with its first use. `close()` ends it.
   */
  async mtproto(options: NewMtproto = {}): Promise<TelegramMtproto> {
    const { serveMtproto } = await import('./mtproto/mtproto.js')
    const face = await serveMtproto(this.#world, options)
    this.#faces.push(face)
    return face
  }

  /**
   * Ends everything: bots that it `runs` are stopped, other polls that wait get 409, webhooks stop, and who still waits is
   * told so. So is whoever calls or waits later: the one with 409, the other unless what they wait for is there already.
   *
   * @throws what made a bot stop that it `runs`, unless somebody who waited was told.
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
}

const CALLED_BEFORE =
  'One was waited for before, and each call is given once (say { ever: true } if the same one will do). '

/** A bot like the recorded one. */
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

interface Parts {
  readonly world: World
  readonly api: BotApi
  readonly patience: Patience
}

type WithoutPort = Omit<TelegramOptions, 'port' | 'host' | 'hostNames' | 'control'>

/** Where a Telegram within the process seems to be; such names lead nowhere (RFC 2606). */
const NOWHERE = 'http://telegram.invalid'

/**
 * Makes a Telegram within the process, at once and without a port: the quickest for tests. Bots get to it by `bot.config`, or
 * by `telegram.fetch`. It serves what {@link startTelegram} does, and bodies, errors and faults look the same from the bot.
 *
 * @throws SentinelError `option.unknown`; `duration.invalid`, `limit.invalid` or `telegram.invalid` for an option that cannot be.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { createTelegram } from 'grammy-sentinel/testing'
 *
 * const telegram = createTelegram()
 * const account = telegram.createBot({ username: 'echo_bot' })
 * const alice = telegram.createUser({ firstName: 'Alice' })
 *
 * const bot = new Bot(account.token, account.config)
 * bot.on('message:text', (ctx) => ctx.reply(ctx.message.text.toUpperCase()))
 * await telegram.runs(bot)
 *
 * await alice.to(account).sends('hello')
 * await alice.hears('HELLO')
 *
 * await telegram.close()
 * ```
 */
export function createTelegram(options: WithoutPort = {}): Telegram {
  return new Telegram(partsFrom(options, 'createTelegram'))
}

/**
 * Starts a Telegram on 127.0.0.1: users, groups and channels that a real bot moderates over real HTTP, without the
 * network. It serves the Bot API that moderation needs; any other method answers 501.
 *
 * It is bounded: bodies of 50 MB, 100,000 updates a bot (each kept for a day), 100,000 messages, 256 MB of
 * files, 10,000 recorded calls; beyond that the oldest go. Only requests to a loopback `Host` are served, and webhooks
 * are delivered to this machine alone.
 *
 * @throws SentinelError `option.unknown`; `duration.invalid`, `limit.invalid` or `telegram.invalid` for an option that cannot be.
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
 * await telegram.runs(bot)
 *
 * await alice.to(account).sends('hello')
 * await alice.hears('HELLO')
 *
 * await telegram.close()
 * ```
 */
export async function startTelegram(options: TelegramOptions = {}): Promise<Telegram> {
  const parts = partsFrom(options, 'startTelegram')
  const { port = 0, host = '127.0.0.1', hostNames: names = [], control = false } = options
  // Loaded for those who want it: the control API reads what it is sent by schemas.
  const made = control === false ? undefined : await import('./control/control.js')
  const token = made?.controlToken(typeof control === 'object' ? control.token : undefined)
  let front: Front | undefined
  const server = await serve(parts.api, { port, host, names }, () => front)
  if (made === undefined || token === undefined) return new Telegram(parts, server)
  const telegram = new Telegram(parts, server, { url: `${server.apiRoot}/control`, token })
  front = new made.Control(telegram, token)
  return telegram
}

function partsFrom(options: TelegramOptions, what: 'createTelegram' | 'startTelegram'): Parts {
  checkNames(options, what)
  const { clock = 'real' } = options
  if (clock !== 'real' && clock !== 'virtual' && typeof clock !== 'function')
    throw new SentinelError(
      'telegram.invalid',
      `${what}: ${JSON.stringify(clock)} is no clock. Use 'real', 'virtual' or a function that tells milliseconds.`,
    )
  const patience = new Patience(parseDuration(options.patience ?? '2s', `${what}: patience`))
  const world = new World(createClock(clock))
  const timing = {
    retry: parseDuration(options.webhookRetry ?? DEFAULT_TIMING.retry, `${what}: webhookRetry`),
    timeout: parseDuration(options.webhookTimeout ?? DEFAULT_TIMING.timeout, `${what}: webhookTimeout`),
  }
  return { world, patience, api: new BotApi(world, timing, readFloodLimits(options.limits ?? false)) }
}
