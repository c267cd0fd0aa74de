import type { InlineQueryResultsButton, Message, Update } from 'grammy/types'
import { SentinelError } from '../../core/errors.js'
import { getOrInsert } from '../../core/maps.js'
import { type Account, Accounts, type BotAccount, type PersonAccount } from './accounts.js'
import { AdminLog } from './chats/admin-log.js'
import {
  type Forum,
  History,
  type PrivateChat,
  type SharedChat,
  type StoredMessage,
  type WorldChat,
} from './chats/chats.js'
import type { InviteLink } from './chats/invite-link.js'
import { hasRight, isIn, LEFT, type Membership, membershipAt, newPermissions } from './chats/members.js'
import type { WorldClock } from './clock.js'
import { Latest } from './collections/latest.js'
import { Listeners } from './collections/listeners.js'
import { Shelf } from './collections/shelf.js'
import { Files, type StoredFile } from './media/files.js'
import { StickerSets } from './media/stickers.js'
import type { InlineChoice } from './messages/content.js'
import type { WorldPoll } from './messages/poll.js'
import { StarLedger } from './money/star-ledger.js'
import { OpenQueries } from './queries.js'
import type { UpdateKind } from './updates.js'

/**
 * A bot's answer to a callback query.
 *
 * @example
 * ```ts
 * import type { CallbackAnswer } from 'grammy-sentinel/testing'
 *
 * const isAlert = (answer: CallbackAnswer) => answer.show_alert === true
 * export { isAlert }
 * ```
 */
export interface CallbackAnswer {
  readonly text?: string
  readonly show_alert?: boolean
  readonly url?: string
  readonly cache_time?: number
}

/**
 * A bot's answer to an inline query.
 *
 * @example
 * ```ts
 * import type { InlineAnswer } from 'grammy-sentinel/testing'
 *
 * const titles = (answer: InlineAnswer) => answer.results.map((result) => result.title)
 * export { titles }
 * ```
 */
export interface InlineAnswer {
  readonly results: readonly Record<string, unknown>[]
  readonly cache_time?: number
  readonly is_personal?: boolean
  readonly next_offset?: string
  readonly button?: InlineQueryResultsButton
}

/**
 * A bot's answer to a pre-checkout query.
 *
 * @example
 * ```ts
 * import type { CheckoutAnswer } from 'grammy-sentinel/testing'
 *
 * const refusal = (answer: CheckoutAnswer) => (answer.ok ? undefined : answer.error_message)
 * export { refusal }
 * ```
 */
export interface CheckoutAnswer {
  readonly ok: boolean
  readonly error_message?: string
}

export interface ShippingAnswer extends CheckoutAnswer {
  readonly shipping_options?: readonly Record<string, unknown>[]
}

/** The purchase that an invoice link stands for. */
interface InvoiceLink {
  readonly botId: number
  readonly payload: string
  readonly amount: number
  readonly currency: string
}

/** A bot's decision about a join request; `queue` leaves it to the administrators. */
export type JoinAnswer = 'approve' | 'decline' | 'queue'

/**
 * How long queries can be answered. The ten seconds of a checkout are documented (Bot API, PreCheckoutQuery); the others are not
 * published, these are values that bots observe.
 */
const CALLBACK_LIFETIME = 15_000
const INLINE_LIFETIME = 10_000
const CHECKOUT_LIFETIME = 10_000
/** "Within 10 seconds" (Bot API, ChatJoinRequest). */
const JOIN_LIFETIME = 10_000
/** How long a bot may write to a person after their join request (Bot API, ChatJoinRequest.user_chat_id). */
const ASKED_LATELY = 300_000

/** Maximum number of messages kept over all chats, so that memory stays bounded; beyond it the oldest are dropped. */
const MOST_MESSAGES = 100_000

const FIRST_SHARED_CHAT = 1_001_000_000_001
const FIRST_BASIC_GROUP = 4_001_000_001
const LAST_BASIC_GROUP = -1_000_000_000_000

/** The whole state of the embedded Telegram: accounts, chats, messages, open queries. Independent of HTTP. */
export class World {
  readonly #now = () => this.clock.now()
  readonly accounts = new Accounts(this.#now)
  readonly files = new Files(() => this.date())
  readonly stickerSets = new StickerSets()
  readonly stars = new StarLedger()
  /** Admin logs of groups and channels. */
  readonly adminLog = new AdminLog(() => this.date())
  /** Profile photos by account id, latest first. */
  readonly profilePhotos = new Map<number, readonly StoredFile[]>()
  /** Purchases by invoice link; the last 10,000. */
  readonly invoiceLinks = new Shelf<InvoiceLink>(10_000)
  readonly callbackQueries = new OpenQueries<CallbackAnswer>(this.#now, CALLBACK_LIFETIME)
  readonly inlineQueries = new OpenQueries<InlineAnswer>(this.#now, INLINE_LIFETIME)
  readonly checkoutQueries = new OpenQueries<CheckoutAnswer>(this.#now, CHECKOUT_LIFETIME)
  readonly shippingQueries = new OpenQueries<ShippingAnswer>(this.#now, CHECKOUT_LIFETIME)
  /** The messages that the results of an answered inline query turn into when picked. */
  readonly inlineChoices = new WeakMap<InlineAnswer, readonly InlineChoice[]>()
  /** Messages sent by way of bots, which these may edit, by inline_message_id; the last 10,000. */
  readonly inlineMessages = new Shelf<StoredMessage>(10_000)
  /** By poll id; the last 10,000. */
  readonly polls = new Shelf<WorldPoll>(10_000)
  /** The messages that show each poll, by poll id. */
  readonly pollMessages = new Shelf<Set<StoredMessage>>(10_000)
  /** Payloads of invoices, which only the bot that sent the invoice may see. */
  readonly invoicePayloads = new WeakMap<StoredMessage, string>()
  readonly joinQueries = new OpenQueries<JoinAnswer>(this.#now, JOIN_LIFETIME)
  /** Called with every update that is sent. Throws if the update is malformed, which is a bug in this package. */
  inspect?: (kind: UpdateKind, payload: unknown) => void

  /** The messages of all chats together, in a common bound. */
  readonly messages = new Latest<StoredMessage>(MOST_MESSAGES, (oldest) => {
    oldest.chat.history.forget(oldest)
  })

  /** The `order` of every message object that was handed out, including states that were edited or deleted since. */
  readonly #orders = new WeakMap<Message, number>()
  readonly #shared = new Map<number, SharedChat>()
  /** By person id, then by bot id, because lookups are mostly by person. */
  readonly #private = new Map<number, Map<number, PrivateChat>>()
  /** Told of every new or changed message. */
  readonly shown = new Listeners<[StoredMessage]>()
  /** Told of every message that is deleted or expires. */
  readonly removed = new Listeners<[StoredMessage]>()
  /** Told of every update for a bot, even of kinds that the bot does not want. */
  readonly emitted = new Listeners<[bot: BotAccount, kind: UpdateKind, payload: unknown]>()
  #order = 0
  #albums = 0

  constructor(readonly clock: WorldClock) {}

  /** Unix time in seconds, as the Bot API dates everything. */
  date(): number {
    return Math.floor(this.clock.now() / 1000)
  }

  nextOrder(): number {
    return ++this.#order
  }

  nextAlbumId(): string {
    return String(13_000_000_000_000_000n + BigInt(++this.#albums))
  }

  addSharedChat(
    kind: SharedChat['kind'],
    options: {
      readonly id?: number | undefined
      readonly title: string
      readonly username?: string | undefined
      readonly joinToWrite?: boolean | undefined
    },
    forum?: Forum,
  ): SharedChat {
    const what = kind === 'channel' ? 'createChannel' : 'createGroup'
    const isBasic = kind === 'group'
    let id = options.id
    if (id === undefined) id = -((isBasic ? FIRST_BASIC_GROUP : FIRST_SHARED_CHAT) + this.#shared.size)
    if (!Number.isSafeInteger(id) || (isBasic ? id >= 0 || id <= LAST_BASIC_GROUP : id > -1_000_000_000_000))
      throw new SentinelError(
        'telegram.invalid',
        isBasic
          ? `${what}: id ${id} is not the id of a basic group. Use one like -4001234567, or leave it out.`
          : `${what}: id ${id} is not the id of a supergroup or channel. Use one like -1001234567890, or leave it out.`,
      )
    if (this.#shared.has(id))
      throw new SentinelError(
        'telegram.invalid',
        `${what}: id ${id} is taken. Choose another, or leave it out.`,
      )
    this.accounts.claimUsername(options.username, what)
    const chat: SharedChat = {
      kind,
      id,
      date: this.date(),
      title: options.title,
      ...(options.username !== undefined && { username: options.username }),
      permissions: newPermissions(kind),
      members: new Map(),
      joins: new Map(),
      restrictions: new Map(),
      joinRequests: new Map(),
      invites: new Map(),
      history: this.#newHistory(),
      forum,
      slowModeDelay: 0,
      turns: new Map(),
      autoDeleteTime: 0,
      joinToWrite: options.joinToWrite === true,
      bannedSenders: new Set(),
    }
    // The General topic's id is 1, so no other topic's first message may have it.
    if (forum !== undefined) chat.history.claimId()
    this.#shared.set(id, chat)
    return chat
  }

  sharedChat(id: number): SharedChat | undefined {
    return this.#shared.get(id)
  }

  sharedChatByName(username: string): SharedChat | undefined {
    const wanted = username.toLowerCase()
    return [...this.#shared.values()].find((chat) => chat.username?.toLowerCase() === wanted)
  }

  inviteAt(url: string): { readonly chat: SharedChat; readonly link: InviteLink } | undefined {
    for (const chat of this.#shared.values()) {
      const link = chat.invites.get(url)
      if (link !== undefined) return { chat, link }
    }
    return undefined
  }

  /** Whether the person has recently sent a join request to a chat where this bot may decide about it. */
  asksToJoin(personId: number, botId: number): boolean {
    return [...this.#shared.values()].some((chat) => {
      const request = chat.joinRequests.get(personId)
      if (request === undefined || this.clock.now() - request.at >= ASKED_LATELY) return false
      return hasRight(this.membership(chat, botId), 'can_invite_users')
    })
  }

  /** Created on first access; `started` tells whether the person has ever written. */
  privateChat(person: PersonAccount, bot: BotAccount): PrivateChat {
    const own = getOrInsert(this.#private, person.id, () => new Map<number, PrivateChat>())
    return getOrInsert(own, bot.id, () => ({
      kind: 'private',
      person,
      bot,
      history: this.#newHistory(),
      started: false,
      blocked: false,
    }))
  }

  chats(): readonly WorldChat[] {
    return [...this.#shared.values(), ...[...this.#private.values()].flatMap((own) => [...own.values()])]
  }

  /** The private chats of a person, and the groups and channels they are in. */
  chatsOf(personId: number): readonly WorldChat[] {
    const shared = [...this.#shared.values()].filter((chat) => isIn(this.membership(chat, personId)))
    return [...shared, ...(this.#private.get(personId)?.values() ?? [])]
  }

  membership(chat: SharedChat, accountId: number): Membership {
    return membershipAt(chat.members.get(accountId) ?? LEFT, this.date())
  }

  botsIn(chat: WorldChat): readonly BotAccount[] {
    if (chat.kind === 'private') return [chat.bot]
    // Iterates over bots because there are few, while chats may have many members; this runs for every message.
    return this.accounts.bots().filter((bot) => isIn(this.membership(chat, bot.id)))
  }

  membersOf(chat: SharedChat): readonly Account[] {
    return [...chat.members.keys()]
      .filter((id) => isIn(this.membership(chat, id)))
      .map((id) => this.accounts.find(id))
      .filter((account) => account !== undefined)
  }

  emit<K extends UpdateKind>(bot: BotAccount, kind: K, payload: NonNullable<Update[K]>): void {
    this.emitted.tell(bot, kind, payload)
    if (bot.queue.wants(kind)) this.inspect?.(kind, payload)
    bot.queue.push(kind, payload)
  }

  /** Queues a raw update; the bot can answer the query in it like any other. */
  inject(bot: BotAccount, update: Omit<Update, 'update_id'> & { update_id?: number }): Update {
    admit(this.callbackQueries, update.callback_query, bot)
    admit(this.inlineQueries, update.inline_query, bot)
    admit(this.checkoutQueries, update.pre_checkout_query, bot)
    admit(this.shippingQueries, update.shipping_query, bot)
    return bot.queue.inject(update)
  }

  #newHistory(): History {
    return new History(this.#now, (stored) => this.removed.tell(stored))
  }

  /** Must be called whenever a message object replaces another one. */
  noteOrder({ message, order }: StoredMessage): void {
    this.#orders.set(message, order)
  }

  orderOf(message: Message): number | undefined {
    return this.#orders.get(message)
  }

  show(stored: StoredMessage): void {
    this.noteOrder(stored)
    this.shown.tell(stored)
  }
}

/** Raw updates may be malformed: a query without a text id cannot be answered, but is delivered. */
function admit<Answer>(queries: OpenQueries<Answer>, query: unknown, bot: BotAccount): void {
  const { id, from } = Object(query) as { readonly id: unknown; readonly from: unknown }
  const sender: unknown = Object(from).id
  if (typeof id === 'string') queries.admit(id, bot.id, typeof sender === 'number' ? sender : undefined)
}
