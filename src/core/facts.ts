import type { Chat, Update, User } from 'grammy/types'
import { commandOf } from './command.js'
import { contentOf } from './content.js'
import { Digest } from './digest.js'
import { asFields, type Fields } from './fields.js'
import {
  type Activity,
  type ActorKind,
  ANONYMOUS_ADMIN_ID,
  CHANNEL_SENDER_ID,
  messageActivity,
  TELEGRAM_ID,
  UPDATE_KINDS,
  type UpdateKind,
} from './kinds.js'
import { type Key, type SubjectRef, senderKey, userKey } from './subject.js'
import { topicOf } from './topic.js'

/**
 * What a reader of updates supplies: the bot's name and the key of fingerprints.
 *
 * @example
 * ```ts
 * import { describe, type Facts, type Reading } from 'grammy-sentinel'
 *
 * const commandFor = (update: Parameters<typeof describe>[0], reading: Reading): Facts['command'] =>
 *   describe(update, reading).command
 * ```
 */
export interface Reading {
  /**
   * The bot's user name, without `@`: commands addressed to other bots are ignored. If unknown, only commands without a bot name
   * count.
   */
  readonly username?: string | undefined
  /** Computes the fingerprints. */
  readonly digest: Digest
}

const OF_THIS_PROCESS: Reading = { digest: Digest.random() }

/**
 * The facts of an update, read once: who acts, where, on whom, and what they do.
 *
 * Identifying the actor is the hard part. `from` is a stand-in for anonymous administrators, channels and automatic forwards; in
 * `chat_member` it is the performer and not the member; in votes, reactions and boosts it is missing. Malformed fields count as
 * absent, since an update is foreign data.
 *
 * @example
 * ```ts
 * import { describe } from 'grammy-sentinel'
 *
 * const facts = describe({ update_id: 1, message: {
 *   message_id: 1, date: 0, text: '/start',
 *   chat: { id: 7, type: 'private', first_name: 'Alice' },
 *   from: { id: 7, is_bot: false, first_name: 'Alice' },
 *   entities: [{ type: 'bot_command', offset: 0, length: 6 }],
 * } })
 * facts.kind // 'message'
 * facts.command // 'start'
 * facts.actorId // 7
 * ```
 */
export class Facts {
  readonly updateId: number
  /** Undefined for a kind that this version does not know. */
  readonly kind: UpdateKind | undefined
  readonly activity: Activity
  readonly actorKind: ActorKind | undefined
  /** A user id, or the id of the chat that writes. Undefined if nobody acts. */
  readonly actorId: number | undefined
  /** The actor's key in storages: users, channels and anonymous administrators never share one. */
  readonly actor: Key | undefined
  /** The chat it happens in; undefined in inline mode and for updates without a chat. */
  readonly chatId: number | undefined
  readonly chatType: Chat['type'] | undefined

  /** The value of the update's kind, such as `update.message`. */
  private readonly payload: Fields
  private readonly reading: Reading
  private commandRead: string | undefined | null = null

  constructor(update: Update, reading: Reading) {
    this.reading = reading
    const fields = asFields(update) ?? NOTHING
    const updateId = fields.update_id
    this.updateId = typeof updateId === 'number' && Number.isSafeInteger(updateId) ? updateId : Number.NaN
    // Most updates are messages, and reading a field by a literal name is faster than through the list.
    let payload = asFields(fields.message)
    let kind: UpdateKind | undefined = payload === undefined ? undefined : 'message'
    for (let i = 1; kind === undefined && i < UPDATE_KINDS.length; i++) {
      const candidate = UPDATE_KINDS[i] as UpdateKind
      const value = fields[candidate]
      if (value !== undefined) {
        payload = asFields(value)
        if (payload === undefined) continue
        kind = candidate
      }
    }
    this.kind = kind
    this.payload = payload ?? NOTHING
    const source = this.payload

    let chat = asFields(source.chat)
    let actorKind: ActorKind = 'user'
    let actorId: number | undefined
    let activity: Activity

    switch (kind) {
      case 'message':
      case 'guest_message':
      case 'business_message':
      case 'edited_message':
      case 'edited_business_message': {
        actorId = idOf(source.sender_chat)
        if (actorId === undefined) actorId = idOf(source.from)
        else actorKind = actorId === idOf(chat) ? 'anonymous' : 'channel'
        if (source.is_automatic_forward === true) activity = 'post'
        else if (source.sender_business_bot !== undefined || this.isAutomatic(actorId)) activity = 'service'
        else if (kind === 'edited_message' || kind === 'edited_business_message') activity = 'edit'
        else activity = messageActivity(source)
        break
      }
      case 'channel_post':
      case 'edited_channel_post':
        actorId = idOf(source.sender_chat) ?? idOf(chat)
        actorKind = 'channel'
        activity = 'post'
        break
      case 'callback_query':
        actorId = idOf(source.from)
        chat = asFields(asFields(source.message)?.chat)
        activity = 'tap'
        break
      case 'inline_query':
      case 'chosen_inline_result':
        actorId = idOf(source.from)
        activity = 'inline'
        break
      case 'chat_member':
      case 'my_chat_member':
      case 'chat_join_request':
        actorId = idOf(source.from)
        activity = 'membership'
        break
      case 'message_reaction':
        actorId = idOf(source.actor_chat)
        if (actorId === undefined) actorId = idOf(source.user)
        else actorKind = actorId === idOf(chat) ? 'anonymous' : 'channel'
        activity = 'reaction'
        break
      case 'poll_answer':
        actorId = idOf(source.voter_chat)
        if (actorId === undefined) actorId = idOf(source.user)
        else {
          // The update does not tell the poll's chat. A channel may vote anywhere; any other chat votes only in itself.
          actorKind = asFields(source.voter_chat)?.type === 'channel' ? 'channel' : 'anonymous'
        }
        activity = 'vote'
        break
      case 'pre_checkout_query':
      case 'shipping_query':
        actorId = idOf(source.from)
        activity = 'checkout'
        break
      case 'purchased_paid_media':
        actorId = idOf(source.from)
        activity = 'payment'
        break
      case 'subscription':
        actorId = idOf(source.user)
        activity = 'payment'
        break
      case 'business_connection':
      case 'managed_bot':
        actorId = idOf(source.user)
        activity = 'service'
        break
      case 'stopped_message_generation':
        // A private chat has the id of the user in it.
        actorId = idOf(chat)
        activity = 'service'
        break
      case 'chat_boost':
        actorId = idOf(asFields(asFields(source.boost)?.source)?.user)
        activity = 'service'
        break
      case 'removed_chat_boost':
        actorId = idOf(asFields(source.source)?.user)
        activity = 'service'
        break
      case 'poll':
      case 'message_reaction_count':
      case 'deleted_business_messages':
        activity = 'service'
        break
      default:
        activity = 'unknown'
    }

    if (activity === 'post' && (kind === 'channel_post' || kind === 'message')) {
      // grammY runs bot.command() for posts, too, so these are guarded: a channel's owner must not send commands past the guards.
      this.commandRead = commandOf(source, reading.username)
      if (this.commandRead !== undefined) activity = 'message'
    }
    // Telegram's stand-in user without `sender_chat`. All bots and chats share this user, so the actor is the chat, or nobody.
    if (actorKind === 'user' && isStandIn(actorId)) {
      actorKind = 'anonymous'
      actorId = actorId === ANONYMOUS_ADMIN_ID ? idOf(chat) : undefined
    }
    this.activity = activity
    this.actorId = actorId
    this.actorKind = actorId === undefined ? undefined : actorKind
    this.actor =
      actorId === undefined ? undefined : actorKind === 'user' ? userKey(actorId) : senderKey(actorId)
    this.chatId = idOf(chat)
    const chatType = chat?.type
    this.chatType =
      this.chatId !== undefined && typeof chatType === 'string' ? (chatType as Chat['type']) : undefined
  }

  /**
   * A base for a cost function of your own: 1, or 0 for updates that no user caused (posts, service updates, unknown kinds) and
   * for membership. `throttle()` does not read it: it charges 1 unless its `cost` says otherwise.
   */
  get cost(): number {
    switch (this.activity) {
      case 'post':
      case 'service':
      case 'membership':
      case 'unknown':
        return 0
      default:
        return 1
    }
  }

  /** Whether the chat is a group, so that a notice would disturb others. */
  get inGroup(): boolean {
    return this.chatType === 'group' || this.chatType === 'supergroup'
  }

  /**
   * The command without slash and bot name, in lower case, if the text or caption begins with one for this bot: 1 to 64 letters,
   * digits and underscores. As in grammY, it ends where Telegram's `bot_command` entity ends: `/buy!` is the command `buy`. To
   * exempt a command from something, compare `handledCommand`.
   */
  get command(): string | undefined {
    if (this.commandRead === null) this.commandRead = this.readCommand()
    return this.commandRead
  }

  /**
   * The command for which grammY's `bot.command()` runs, without slash and bot name, as written. Undefined for many updates that
   * have a `command`: captions, business and guest messages, and texts that Telegram has not marked as a command; and `/START` is
   * not `start`. Compare this one to exempt a command from something: `bot.command()` does not run for the other updates, so
   * they reach other handlers.
   */
  get handledCommand(): string | undefined {
    if (this.kind !== 'message' && this.kind !== 'channel_post') return undefined
    return commandOf(this.payload, this.reading.username, true)
  }

  /**
   * The `media_group_id`, which the several updates of one album share. Unique only inside its chat. Undefined for edits:
   * otherwise someone could edit one picture again and again without being charged.
   */
  get album(): string | undefined {
    if (this.kind?.startsWith('edited_')) return undefined
    const id = this.payload.media_group_id
    return typeof id === 'string' && id !== '' ? id : undefined
  }

  /**
   * The user acted upon: the member, the requester, the user who was added (the first, if several) or left,
   * the managed bot.
   */
  get target(): User | undefined {
    const source = this.payload
    switch (this.kind) {
      case 'chat_member':
      case 'my_chat_member':
        return asUser(asFields(source.new_chat_member)?.user)
      case 'chat_join_request':
        return asUser(source.from)
      case 'managed_bot':
        return asUser(source.bot)
      case 'message': {
        const joined = source.new_chat_members
        return asUser(Array.isArray(joined) ? joined[0] : source.left_chat_member)
      }
      default:
        return undefined
    }
  }

  /** The actor as a subject, for `guard.block()` and similar methods; undefined if nobody acts. */
  get subject(): SubjectRef | undefined {
    const { actorId } = this
    if (actorId === undefined) return undefined
    return { kind: this.actorKind === 'user' ? 'user' : 'sender', id: actorId, name: '' }
  }

  /**
   * The author of the message in the same chat that this one replies to, identified like `actor`, so never a stand-in user. In a
   * forum every message replies to the one that opened its topic, and under a channel's post every comment to the post; these do
   * not count as replies.
   */
  get repliedTo(): SubjectRef | undefined {
    const { reply_to_message, message_thread_id } = this.payload
    const message = asFields(reply_to_message)
    if (message === undefined || message.forum_topic_created !== undefined) return undefined
    if (message.is_automatic_forward === true && message.message_id === message_thread_id) return undefined
    const chat = asFields(message.chat)
    const sender = idOf(message.sender_chat) ?? (chat?.type === 'channel' ? idOf(chat) : undefined)
    const from = idOf(message.from)
    if (sender === undefined && !isStandIn(from)) {
      return from === undefined ? undefined : { kind: 'user', id: from, name: '' }
    }
    const id = sender ?? (from === ANONYMOUS_ADMIN_ID ? idOf(chat) : undefined)
    return id === undefined ? undefined : { kind: 'sender', id, name: '' }
  }

  /**
   * Distinguishes a chat of a business account, or a private chat where the bot is a guest, from the bot's own chat with the same
   * id: the id of the business connection, or `guest-` and the id of the actor. Undefined for all other chats.
   */
  get connection(): string | undefined {
    const { kind, payload, chatId } = this
    // The usual case first. The ids of groups and channels are the same for everybody.
    if (kind === 'message' || chatId === undefined || chatId < 0) return undefined
    const message = kind === 'callback_query' ? asFields(payload.message) : payload
    const connection = message?.business_connection_id
    if (typeof connection === 'string' && connection !== '') return connection
    return kind === 'guest_message' ? `guest-${this.actorId ?? ''}` : undefined
  }

  /** The user behind the update, if Telegram names one; a stand-in user for channels and anonymous administrators. */
  get user(): User | undefined {
    const source = this.payload
    switch (this.kind) {
      case 'chat_boost':
        return asUser(asFields(asFields(source.boost)?.source)?.user)
      case 'removed_chat_boost':
        return asUser(asFields(source.source)?.user)
      default:
        return asUser(source.from) ?? asUser(source.user)
    }
  }

  /** The user's language as their app reports it: an IETF tag such as `en` or `pt-br`. */
  get languageCode(): string | undefined {
    const code = this.user?.language_code
    return typeof code === 'string' ? code : undefined
  }

  /**
   * A keyed digest of the content or of the pressed button, a whole number below 2^53: equal for equal content in the same
   * chat or topic, or for the same button on the same message. Undefined if there is nothing to compare.
   */
  get fingerprint(): number | undefined {
    const content = contentOf(this.kind, this.payload)
    if (content === undefined) return undefined
    // A business account's chat, or one where the bot is a guest, may have the same id as one of the bot's own chats.
    const connection = this.payload.business_connection_id
    const services =
      typeof connection === 'string' ? connection : this.kind === 'guest_message' ? 'guest' : ''
    return this.reading.digest.number(`${services} ${this.chatId ?? ''}${topicOf(this.payload)}\n${content}`)
  }

  /** Digests any text with the same key as {@link fingerprint}. */
  digest(text: string): number {
    return this.reading.digest.number(text)
  }

  /**
   * Whether Telegram sent a message on behalf of the owner of a business account: an away or greeting message, which customers
   * cause, or a scheduled one. A customer, whose id is the id of the chat, can only schedule messages.
   */
  private isAutomatic(sender: number | undefined): boolean {
    const { kind, payload } = this
    return kind === 'business_message' && payload.is_from_offline === true && sender !== idOf(payload.chat)
  }

  private readCommand(): string | undefined {
    return this.activity === 'message' ? commandOf(this.payload, this.reading.username) : undefined
  }
}

const NOTHING: Fields = Object.freeze({})

/**
 * Reads the facts of an update.
 *
 * @param update A Bot API update, as received.
 * @param reading The bot's user name, and the digest for fingerprints (by default with a random key of this process).
 *
 * @example
 * ```ts
 * import { describe } from 'grammy-sentinel'
 *
 * describe({ update_id: 1, poll_answer: {
 *   poll_id: 'p', option_ids: [0], option_persistent_ids: [],
 *   user: { id: 7, is_bot: false, first_name: 'Alice' },
 * } }).activity // 'vote'
 * ```
 */
export function describe(update: Update, reading: Reading = OF_THIS_PROCESS): Facts {
  return new Facts(update, reading)
}

function idOf(value: unknown): number | undefined {
  const id = asFields(value)?.id
  return typeof id === 'number' && Number.isSafeInteger(id) && id !== 0 ? id : undefined
}

function isStandIn(id: number | undefined): boolean {
  return id === ANONYMOUS_ADMIN_ID || id === CHANNEL_SENDER_ID || id === TELEGRAM_ID
}

function asUser(value: unknown): User | undefined {
  return idOf(value) === undefined ? undefined : (value as User)
}
