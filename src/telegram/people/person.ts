import { inspect, types } from 'node:util'
import type { ChatInviteLink, InlineQuery, Message } from 'grammy/types'
import type { Duration } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { getOrInsert } from '../../core/maps.js'
import type { PersonAccount } from '../world/accounts.js'
import { describeChat, type StoredMessage, type WorldChat } from '../world/chats/chats.js'
import { joinByInvite } from '../world/chats/invites.js'
import { isIn } from '../world/chats/members.js'
import { setBlocked } from '../world/chats/membership.js'
import { canRead, canSee } from '../world/chats/visitors.js'
import type { InlineChoice } from '../world/messages/content.js'
import { pickResult } from '../world/messages/inline.js'
import { Refusal } from '../world/refusal.js'
import type { InlineAnswer, World } from '../world/world.js'
import { ChannelPresence, GroupPresence } from './member-presence.js'
import { Payment, type Purchase } from './payment.js'
import type { TelegramBot, TelegramChannel, TelegramGroup } from './places.js'
import { Presence } from './presence.js'
import { AwaitedAnswer, Given, type Patience } from './waiting.js'

/**
 * Options of {@link Person.hears}.
 *
 * @example
 * ```ts
 * import type { HearingOptions } from 'grammy-sentinel/testing'
 *
 * const patiently: HearingOptions = { timeout: '5s' }
 * export { patiently }
 * ```
 */
export interface HearingOptions {
  /**
   * Listens only in this group, channel, or chat with a bot; also in a public chat or a discussion group that the person can read
   * without being a member. Default: in all chats that the person is in.
   */
  readonly in?: TelegramGroup | TelegramChannel | TelegramBot
  /**
   * Only messages sent or edited after this one, which may have been edited or deleted since. Pass a message that the person sent
   * (as `sends()` and the like return it) or one that they heard.
   */
  readonly after?: Message
  /** Also accepts messages that an earlier `hears()` of this person returned. Default: false. */
  readonly ever?: boolean
  /** Time-out, in real time. Default: the `patience` of startTelegram. */
  readonly timeout?: Duration
}

/**
 * A simulated person, whose actions reach bots as updates.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { startTelegram } from 'grammy-sentinel/testing'
 *
 * const telegram = await startTelegram()
 * const account = telegram.createBot({ username: 'greeting_bot' })
 * const bot = new Bot(account.token, { client: { apiRoot: telegram.apiRoot } })
 * bot.command('start', (ctx) => ctx.reply('Welcome!'))
 * void bot.start()
 *
 * const alice = telegram.createUser({ firstName: 'Alice', languageCode: 'en' })
 * await alice.to(account).sends('/start')
 * await alice.hears(/welcome/i)
 *
 * await bot.stop()
 * await telegram.close()
 * ```
 */
export class Person {
  readonly id: number
  readonly firstName: string
  readonly username: string | undefined
  readonly #world: World
  readonly #patience: Patience

  /** @internal */
  constructor(
    world: World,
    patience: Patience,
    /** @internal */
    readonly account: PersonAccount,
  ) {
    this.#world = world
    this.#patience = patience
    this.id = account.id
    this.firstName = account.user.first_name
    this.username = account.user.username
  }

  /** Returns the person in a group or channel, whether a member or not. */
  in(group: TelegramGroup): GroupPresence
  in(channel: TelegramChannel): ChannelPresence
  in(place: TelegramGroup | TelegramChannel): GroupPresence | ChannelPresence {
    this.#checkIsHere(`"${place.title}"`, this.#world.sharedChat(place.room.id) === place.room)
    const scene = { world: this.#world, patience: this.#patience, actor: this.account, room: place.room }
    return place.kind === 'channel' ? new ChannelPresence(scene) : new GroupPresence(scene)
  }

  /** Returns the person in the private chat with a bot. */
  to(bot: TelegramBot): Presence {
    this.#checkIsHere(`@${bot.username}`, this.#world.accounts.find(bot.id) === bot.account)
    const room = this.#world.privateChat(this.account, bot.account)
    return new Presence({ world: this.#world, patience: this.#patience, actor: this.account, room })
  }

  /**
   * Joins by an invite link. Resolves with 'requested' if an administrator must approve first.
   *
   * @throws SentinelError `telegram.invalid` for a link that is revoked, expired or used up, or if the person may not join.
   */
  async joinsBy(
    link: string | ChatInviteLink,
    options: { readonly bio?: string } = {},
  ): Promise<'joined' | 'requested'> {
    const url = typeof link === 'string' ? link : link.invite_link
    return this.#attempt('join by that invite link', () =>
      joinByInvite(this.#world, url, this.account, options.bio),
    )
  }

  /** Every Telegram assigns the same ids, so a person from another Telegram would be mistaken for somebody else. */
  #checkIsHere(name: string, isHere: boolean): void {
    if (isHere) return
    throw new SentinelError(
      'telegram.invalid',
      `${name} is in another Telegram than ${this.firstName}: make both with the same createTelegram() or startTelegram().`,
    )
  }

  #attempt<Result>(action: string, act: () => Result): Result {
    try {
      return act()
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      throw new SentinelError('telegram.invalid', `${this.firstName} cannot ${action}: ${error.description}.`)
    }
  }

  /** Blocks the bot: it gets `my_chat_member`, and 403 when it writes to the person. */
  async blocks(bot: TelegramBot): Promise<void> {
    setBlocked(this.#world, this.#world.privateChat(this.account, bot.account), true)
  }

  async unblocks(bot: TelegramBot): Promise<void> {
    setBlocked(this.#world, this.#world.privateChat(this.account, bot.account), false)
  }

  /** Sends an inline query, as if typing `@bot query` in the chat `in` (default: with the bot). `await asked.answer` waits for the results. */
  async asks(
    bot: TelegramBot,
    query: string,
    options: {
      readonly offset?: string
      readonly in?: TelegramGroup | TelegramChannel | TelegramBot
    } = {},
  ): Promise<InlineQuestion> {
    const place = options.in ?? bot
    const answer = new AwaitedAnswer<InlineAnswer>(
      this.#patience,
      `${this.firstName}'s inline query "${query}"`,
    )
    const inlineQuery: InlineQuery = {
      id: this.#world.inlineQueries.open(bot.id, this.id, answer.give),
      from: this.account.user,
      query,
      offset: options.offset ?? '',
      chat_type: place.id === bot.id ? 'sender' : 'kind' in place ? place.kind : 'private',
    }
    this.#world.emit(bot.account, 'inline_query', inlineQuery)
    const send = (choice: InlineChoice, room: WorldChat) =>
      pickResult(this.#world, { bot: bot.account, person: this.account, query, chat: room }, choice).message
    return new InlineQuestion(inlineQuery, answer, (given, result, place) => {
      const choices = this.#world.inlineChoices.get(given) ?? []
      const choice = typeof result === 'number' ? choices[result] : choices.find(({ id }) => id === result)
      if (choice === undefined) {
        const known = choices.map(({ id }) => JSON.stringify(id)).join(', ') || 'none'
        const why = `${this.firstName} cannot pick ${JSON.stringify(result)}. Results of @${bot.username}: ${known}.`
        throw new SentinelError('telegram.invalid', why)
      }
      const room = 'room' in place ? place.room : this.#world.privateChat(this.account, place.account)
      return this.#attempt('send that', () => send(choice, room))
    })
  }

  /**
   * Pays the bot: it gets a pre_checkout_query and, once it answers `ok: true`, a message with `successful_payment`. Resolves
   * when the query was sent. Pays for a message with the bot's invoice, or for a purchase that you describe.
   *
   * A string is a link made by createInvoiceLink.
   *
   * @throws SentinelError `telegram.invalid` for a message or link without an invoice of that bot.
   */
  async pays(bot: TelegramBot, what: Purchase | Message | string): Promise<Payment> {
    const chat = this.#world.privateChat(this.account, bot.account)
    return new Payment(this.#world, this.#patience, chat, this.#purchaseOf(bot, what))
  }

  #purchaseOf(bot: TelegramBot, what: Purchase | Message | string): Purchase {
    if (typeof what === 'object') return 'message_id' in what ? this.#invoiced(bot, what) : what
    const link = this.#world.invoiceLinks.get(what)
    if (link?.botId === bot.id) return link
    const why = `${this.firstName} cannot pay: ${JSON.stringify(what)} is not an invoice link of @${bot.username}.`
    throw new SentinelError('telegram.invalid', why)
  }

  /** Adds a new profile photo in front of earlier ones. The name stands for the picture. */
  async setsProfilePhoto(name: string): Promise<void> {
    const photo = this.#world.files.store(Buffer.from(name), name, 'image/jpeg')
    const former = this.#world.profilePhotos.get(this.id) ?? []
    this.#world.profilePhotos.set(this.id, [photo, ...former])
  }

  #invoiced(bot: TelegramBot, { message_id, chat: { id } }: Message): Purchase {
    const stored = this.#chatsById(id)
      .find((chat) => chat.kind !== 'private' || chat.bot === bot.account)
      ?.history.find(message_id)
    const invoice = stored?.message.invoice
    const payload = stored && this.#world.invoicePayloads.get(stored)
    const from = stored?.viaBotId ?? stored?.authorId
    if (from !== bot.id || invoice === undefined || payload === undefined)
      throw new SentinelError(
        'telegram.invalid',
        `${this.firstName} cannot pay: message ${message_id} is not an invoice of @${bot.username}.`,
      )
    return { payload, amount: invoice.total_amount, currency: invoice.currency }
  }

  /**
   * Resolves with the earliest matching message from others that the person can see, past or future. A string matches anywhere in
   * the message: in its text or caption, a poll's question or an invoice's title.
   *
   * Each message is returned once: the next `hears()` with the same words waits for another message, or for an edit of the first.
   * Messages that nobody waited for can still be heard later; `after` skips those from before a given message.
   *
   * @throws SentinelError `telegram.invalid` after the time-out, listing what was heard instead; at once for an empty string,
   * which every message contains, and for an `after` message that is not known.
   *
   * @example
   * ```ts
   * import type { Person, TelegramBot } from 'grammy-sentinel/testing'
   *
   * async function buysTwice(alice: Person, shop: TelegramBot) {
   *   await alice.to(shop).sends('/buy')
   *   await alice.hears('Ordered')
   *   const said = await alice.to(shop).sends('/buy')
   *   await alice.hears('Ordered', { after: said }) // another one, and no answer to the first
   * }
   * export { buysTwice }
   * ```
   */
  async hears(what: RegExp | string, options: HearingOptions = {}): Promise<Message> {
    assertWords(what)
    const isMeant = this.#meantBy(options)
    const before = getOrInsert(heardBefore, this.account, () => new Given())
    return this.#patience.until({
      find: (news?: StoredMessage) => {
        const candidates = news === undefined ? this.#readable(options.in) : [news]
        const isNew = (stored: StoredMessage) => options.ever === true || !before.has(stored, stored.order)
        const found = candidates.find(
          (stored) => isMeant(stored) && isNew(stored) && matches(stored.message, what),
        )
        if (found !== undefined) before.note(found, found.order)
        return found?.message
      },
      watch: this.#world.shown.add,
      otherwise: (waited) => {
        const because = this.hasHeard(what, options) === undefined ? '' : HEARD_BEFORE
        return `${this.firstName} did not hear ${wordsFor(what)} within ${waited} ms, but ${because}${this.tellsHeard(options)}`
      },
      timeout: options.timeout,
    })
  }

  /** Returns the earliest matching message that is there now, even if `hears()` already returned it; does not wait. */
  hasHeard(what: RegExp | string, options: Pick<HearingOptions, 'in' | 'after'> = {}): Message | undefined {
    assertWords(what)
    const isMeant = this.#meantBy(options)
    return this.#readable(options.in).find((stored) => isMeant(stored) && matches(stored.message, what))
      ?.message
  }

  /** @internal Describes what the person could hear, for error messages. */
  tellsHeard(options: Pick<HearingOptions, 'in' | 'after'>): string {
    const heard = this.#readable(options.in).filter(this.#meantBy(options)).slice(-10).map(describeHeard)
    return heard.length === 0 ? 'heard nothing at all' : `heard only:\n${heard.join('\n')}`
  }

  #meantBy({ in: place, after }: Pick<HearingOptions, 'in' | 'after'>): (stored: StoredMessage) => boolean {
    const order = after === undefined ? 0 : this.#orderOf(after)
    return (stored) => this.#isForThem(stored, place) && stored.order > order
  }

  /** All messages from others in the person's chats, oldest first. */
  get heard(): readonly Message[] {
    return this.heardIn(undefined)
  }

  /** @internal The messages from others in one place, or in all the person's chats. */
  heardIn(place: HearingOptions['in']): readonly Message[] {
    return this.#readable(place).map((stored) => stored.message)
  }

  #readable(place: HearingOptions['in']): readonly StoredMessage[] {
    const chats = place !== undefined && 'room' in place ? [place.room] : this.#world.chatsOf(this.id)
    return chats
      .flatMap((chat) => chat.history.all())
      .filter((stored) => this.#isForThem(stored, place))
      .sort((a, b) => a.order - b.order)
  }

  /** Whether a message is from somebody else, and in the given place or one of the person's chats. */
  #isForThem(stored: StoredMessage, place: HearingOptions['in']): boolean {
    if (stored.authorId === this.id || !canSee(this.#world, stored, this.id)) return false
    if (place !== undefined) return isThere(stored, place)
    return stored.chat.kind === 'private' || isIn(this.#world.membership(stored.chat, this.id))
  }

  /** The chats with this id in the Bot API that they can read; all their private chats have their own id. */
  #chatsById(id: number): readonly WorldChat[] {
    const shared = this.#world.sharedChat(id)
    if (shared !== undefined) return canRead(this.#world, shared, this.id) ? [shared] : []
    return this.#world.chatsOf(this.id).filter((chat) => describeChat(chat).id === id)
  }

  #orderOf(message: Message): number {
    const known = this.#world.orderOf(message)
    if (known !== undefined) return known
    // The message is a copy, for instance from an answer of the Bot API, so it cannot tell which edit of the message it shows.
    const { message_id: id, chat, from } = message
    const alike = this.#chatsById(chat?.id)
      .flatMap(({ history }) => history.find(id) ?? [])
      .filter((stored) => stored.message.from?.id === from?.id)
    if (alike.length === 1 && alike[0] !== undefined) return alike[0].firstOrder
    throw new SentinelError(
      'telegram.invalid',
      `${this.firstName} cannot listen after message ${id}: they cannot see it now. Pass a message that an action of theirs or hears() resolved with.`,
    )
  }
}

/**
 * An inline query sent to a bot.
 *
 * @example
 * ```ts
 * import type { Person, TelegramBot } from 'grammy-sentinel/testing'
 *
 * async function searches(alice: Person, bot: TelegramBot) {
 *   const asked = await alice.asks(bot, 'cats')
 *   return (await asked.answer).results.length
 * }
 * export { searches }
 * ```
 */
export class InlineQuestion {
  readonly #answer: AwaitedAnswer<InlineAnswer>
  readonly #pick: (given: InlineAnswer, result: string | number, place: PickingPlace) => Message

  /** @internal */
  constructor(
    /** The query that the bot got. */
    readonly query: InlineQuery,
    answer: AwaitedAnswer<InlineAnswer>,
    pick: (given: InlineAnswer, result: string | number, place: PickingPlace) => Message,
  ) {
    this.#answer = answer
    this.#pick = pick
  }

  /**
   * Waits for the bot's answer, then sends one of its results, given by id or index, to a group, channel or the chat with a bot.
   * The bot gets `chosen_inline_result`; it can edit the message if that has a keyboard.
   *
   * @throws SentinelError `telegram.invalid` if there is no such result.
   */
  async picks(result: string | number, place: PickingPlace): Promise<Message> {
    return this.#pick(await this.#answer.wait(), result, place)
  }

  /** Resolves with the parameters of the bot's answerInlineQuery. */
  get answer(): Promise<InlineAnswer> {
    return this.#answer.wait()
  }

  /** Like `answer`, with a time-out of its own, in real time. */
  answeredWithin(timeout: Duration): Promise<InlineAnswer> {
    return this.#answer.wait(timeout)
  }
}

/** The messages that `hears()` returned, each with its `order` then. Kept per account, because several Person objects can share one. */
const heardBefore = new WeakMap<PersonAccount, Given<StoredMessage>>()

const HEARD_BEFORE =
  'heard it before, and each message is heard once (say { ever: true } if the same one will do); '

type PickingPlace = TelegramGroup | TelegramChannel | TelegramBot

function isThere(stored: StoredMessage, place: PickingPlace): boolean {
  return (stored.chat.kind === 'private' ? stored.chat.bot.id : stored.chat.id) === place.id
}

/** The text that `hears()` searches: text or caption, else a poll's question or an invoice's title. */
function wordsOf({ text, caption, poll, invoice }: Message): string | undefined {
  return text ?? caption ?? poll?.question ?? invoice?.title
}

export function matches(message: Message, what: RegExp | string): boolean {
  const text = wordsOf(message)
  if (text === undefined) return false
  if (typeof what === 'string') return text.includes(what)
  // A global or sticky expression remembers where it stopped; each message is searched from its start.
  what.lastIndex = 0
  return what.test(text)
}

/** An empty string is in every message, so searching for it proves nothing. */
export function assertWords(what: unknown): void {
  if (types.isRegExp(what) || (typeof what === 'string' && what !== '')) return
  const given = what === '' ? 'an empty text is in every message' : `${inspect(what)} is neither`
  throw new SentinelError(
    'telegram.invalid',
    `Pass a text or a regular expression to listen for: ${given}. /./ matches any text.`,
  )
}

/** The searched text as errors show it. */
export function wordsFor(what: RegExp | string): string {
  return typeof what === 'string' ? JSON.stringify(what) : String(what)
}

function describeHeard({ message, chat }: StoredMessage): string {
  const what = wordsOf(message) ?? Object.keys(message).at(-1) ?? ''
  const from = message.sender_chat?.title ?? message.from?.first_name ?? 'somebody'
  const where = chat.kind === 'private' ? 'in private' : `in "${describeChat(chat).title}"`
  return `  - ${from} ${where}: ${JSON.stringify(what.slice(0, 120))}`
}
