import type { Chat, Update, User } from '@grammyjs/types'
import { contentOf } from './content.js'
import { Digest } from './digest.js'
import { type Key, senderKey, userKey } from './subject.js'

/** The 27 kinds of update of Bot API 10.3, likeliest first. */
export const UPDATE_KINDS = [
  'message',
  'callback_query',
  'inline_query',
  'edited_message',
  'chat_member',
  'my_chat_member',
  'chat_join_request',
  'message_reaction',
  'channel_post',
  'edited_channel_post',
  'chosen_inline_result',
  'poll_answer',
  'poll',
  'message_reaction_count',
  'pre_checkout_query',
  'shipping_query',
  'business_connection',
  'business_message',
  'edited_business_message',
  'deleted_business_messages',
  'guest_message',
  'stopped_message_generation',
  'purchased_paid_media',
  'chat_boost',
  'removed_chat_boost',
  'managed_bot',
  'subscription',
] as const satisfies readonly Exclude<keyof Update, 'update_id'>[]

/** A kind of update, as Telegram names it. */
export type UpdateKind = (typeof UPDATE_KINDS)[number]

/**
 * What somebody is doing, in one word: the kinds that are limited alike.
 *
 * - `message`: says something (message, guest and business message)
 * - `edit`: changes what was said
 * - `tap`: presses an inline button
 * - `inline`: types an inline query or picks its result; one a keystroke
 * - `reaction`, `vote`: reacts, answers a poll
 * - `membership`: joins, leaves, asks to join, is promoted
 * - `payment`: pays, or is about to; never dropped by default
 * - `post`: a channel post, its edit, or its automatic forward into the linked group
 * - `service`: what Telegram reports and nobody did to the bot (pins, boosts, polls closed, our own business messages)
 * - `unknown`: a kind this version does not know
 */
export type Activity =
  | 'message'
  | 'edit'
  | 'tap'
  | 'inline'
  | 'reaction'
  | 'vote'
  | 'membership'
  | 'payment'
  | 'post'
  | 'service'
  | 'unknown'

/**
 * Who acts: a `user` (bots too), the `anonymous` administrators of a group (one actor a group), or a `channel`
 * that writes.
 */
export type ActorKind = 'user' | 'anonymous' | 'channel'

/** Telegram's stand-in user for anonymous administrators; the real sender is `sender_chat`. */
export const ANONYMOUS_ADMIN_ID = 1087968824
/** Telegram's stand-in user for a channel that writes in a group; the real sender is `sender_chat`. */
export const CHANNEL_SENDER_ID = 136817688
/** Telegram's own user, in whose name linked channels are forwarded; the real sender is `sender_chat`. */
export const TELEGRAM_ID = 777000

/** What describes the reader rather than the update. */
export interface Reading {
  /** The bot's user name, without `@`: commands for other bots are none of ours. Unknown: none is ours but the plain ones. */
  readonly username?: string | undefined
  /** Keys the fingerprints. */
  readonly digest: Digest
}

const OF_THIS_PROCESS: Reading = { digest: Digest.random() }

/** Message fields that make it a service message: Telegram tells, nobody says. */
const SERVICE_FIELDS = [
  'new_chat_members',
  'left_chat_member',
  'pinned_message',
  'new_chat_title',
  'new_chat_photo',
  'delete_chat_photo',
  'group_chat_created',
  'supergroup_chat_created',
  'channel_chat_created',
  'message_auto_delete_timer_changed',
  'migrate_to_chat_id',
  'migrate_from_chat_id',
  'forum_topic_created',
  'forum_topic_edited',
  'forum_topic_closed',
  'forum_topic_reopened',
  'general_forum_topic_hidden',
  'general_forum_topic_unhidden',
  'video_chat_scheduled',
  'video_chat_started',
  'video_chat_ended',
  'video_chat_participants_invited',
  'boost_added',
  'chat_background_set',
  'chat_owner_left',
  'chat_owner_changed',
  'giveaway_created',
  'giveaway_completed',
  'proximity_alert_triggered',
] as const

type Fields = Readonly<Record<string, unknown>>

/**
 * What an update tells, read once: who acts, where, on whom, what.
 *
 * Identity is the hard part. `from` is a stand-in for anonymous administrators, channels and automatic
 * forwards, is the performer and not the member in `chat_member`, and is missing in votes, reactions and boosts.
 * Whatever is malformed reads as absent: an update is somebody else's data.
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
  /** A user id, or the id of the chat that writes. Undefined when nobody acts. */
  readonly actorId: number | undefined
  /** The actor as storages know it: users, channels and anonymous administrators never share one. */
  readonly actor: Key | undefined
  /** Where it happens; undefined in inline mode and for what has no place. */
  readonly chatId: number | undefined
  readonly chatType: Chat['type'] | undefined

  /** The value under the update's kind. */
  private readonly payload: Fields
  private readonly reading: Reading
  private commandRead: string | undefined | null = null

  constructor(update: Update, reading: Reading) {
    this.reading = reading
    const fields = update as unknown as Fields
    this.updateId = typeof fields.update_id === 'number' ? fields.update_id : Number.NaN
    let kind: UpdateKind | undefined
    let payload: Fields | undefined
    for (let i = 0; i < UPDATE_KINDS.length; i++) {
      const candidate = UPDATE_KINDS[i] as UpdateKind
      const value = fields[candidate]
      if (value !== undefined) {
        payload = asFields(value)
        if (payload !== undefined) kind = candidate
        break
      }
    }
    this.kind = kind
    this.payload = payload ?? NOTHING
    const source = this.payload

    let chat = asFields(source.chat)
    let actorKind: ActorKind | undefined
    let actorId: number | undefined
    let activity: Activity

    switch (kind) {
      case 'message':
      case 'guest_message':
      case 'business_message':
      case 'edited_message':
      case 'edited_business_message': {
        const senderChat = asFields(source.sender_chat)
        if (senderChat !== undefined) {
          actorId = idOf(senderChat)
          actorKind = actorId !== undefined && actorId === idOf(chat) ? 'anonymous' : 'channel'
        } else {
          actorId = idOf(source.from)
          actorKind = 'user'
        }
        if (source.is_automatic_forward === true) activity = 'post'
        else if (source.sender_business_bot !== undefined) activity = 'service'
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
        actorKind = 'user'
        chat = asFields(asFields(source.message)?.chat)
        activity = 'tap'
        break
      case 'inline_query':
      case 'chosen_inline_result':
        actorId = idOf(source.from)
        actorKind = 'user'
        activity = 'inline'
        break
      case 'chat_member':
      case 'my_chat_member':
      case 'chat_join_request':
        actorId = idOf(source.from)
        actorKind = 'user'
        activity = 'membership'
        break
      case 'message_reaction':
        if (source.actor_chat === undefined) {
          actorId = idOf(source.user)
          actorKind = 'user'
        } else {
          actorId = idOf(source.actor_chat)
          actorKind = actorId !== undefined && actorId === idOf(chat) ? 'anonymous' : 'channel'
        }
        activity = 'reaction'
        break
      case 'poll_answer':
        if (source.voter_chat === undefined) {
          actorId = idOf(source.user)
          actorKind = 'user'
        } else {
          actorId = idOf(source.voter_chat)
          actorKind = 'channel'
        }
        activity = 'vote'
        break
      case 'pre_checkout_query':
      case 'shipping_query':
      case 'purchased_paid_media':
        actorId = idOf(source.from)
        actorKind = 'user'
        activity = 'payment'
        break
      case 'subscription':
        actorId = idOf(source.user)
        actorKind = 'user'
        activity = 'payment'
        break
      case 'business_connection':
      case 'managed_bot':
        actorId = idOf(source.user)
        actorKind = 'user'
        activity = 'service'
        break
      case 'stopped_message_generation':
        // A private chat has the id of the user in it.
        actorId = idOf(chat)
        actorKind = 'user'
        activity = 'service'
        break
      case 'chat_boost':
        actorId = idOf(asFields(asFields(source.boost)?.source)?.user)
        actorKind = 'user'
        activity = 'service'
        break
      case 'removed_chat_boost':
        actorId = idOf(asFields(source.source)?.user)
        actorKind = 'user'
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

    // A stand-in that comes without the chat it stands for: key on the chat, or on nobody, never on what all share.
    if (actorKind === 'user' && (actorId === ANONYMOUS_ADMIN_ID || actorId === CHANNEL_SENDER_ID)) {
      actorKind = 'anonymous'
      actorId = actorId === ANONYMOUS_ADMIN_ID ? idOf(chat) : undefined
    }
    this.activity = activity
    this.actorId = actorId
    this.actorKind = actorId === undefined ? undefined : actorKind
    this.actor =
      actorId === undefined ? undefined : actorKind === 'user' ? userKey(actorId) : senderKey(actorId)
    this.chatId = idOf(chat)
    this.chatType = this.chatId === undefined ? undefined : (chat?.type as Chat['type'])
  }

  /** Units that limits charge: 1, or 0 for what nobody did to the bot (posts, service updates, unknown kinds). */
  get cost(): number {
    return this.activity === 'post' || this.activity === 'service' || this.activity === 'unknown' ? 0 : 1
  }

  /** Whether the chat is a group, so that a notice would disturb others. */
  get inGroup(): boolean {
    return this.chatType === 'group' || this.chatType === 'supergroup'
  }

  /**
   * The command without slash and bot name, in lower case, if the message begins with one that is meant for this
   * bot. Telegram allows 1 to 32 letters, digits and underscores.
   */
  get command(): string | undefined {
    if (this.commandRead === null) this.commandRead = this.readCommand()
    return this.commandRead
  }

  /** The `media_group_id`: several updates that are one album. */
  get album(): string | undefined {
    const id = this.payload.media_group_id
    return typeof id === 'string' && id !== '' ? id : undefined
  }

  /** The user who is acted upon: the member, the requester, the one who was added or left, the managed bot. */
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

  /** The user behind the update, where Telegram tells; a stand-in for channels and anonymous administrators. */
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

  /** The actor's language as their app tells it: an IETF tag such as `en` or `pt-br`. */
  get languageCode(): string | undefined {
    const code = this.user?.language_code
    return typeof code === 'string' ? code : undefined
  }

  /**
   * A keyed digest of what was said or pressed, a whole number below 2^53: equal for equal content in the same
   * chat, or the same button on the same message. Undefined where there is nothing to compare.
   */
  get fingerprint(): number | undefined {
    const content = contentOf(this.kind, this.payload)
    return content === undefined ? undefined : this.reading.digest.number(`${this.chatId ?? ''}\n${content}`)
  }

  /** A keyed digest of any text, in the same key as {@link fingerprint}. */
  digest(text: string): number {
    return this.reading.digest.number(text)
  }

  private readCommand(): string | undefined {
    if (this.activity !== 'message') return undefined
    const text = this.payload.text ?? this.payload.caption
    if (typeof text !== 'string' || text.charCodeAt(0) !== 47) return undefined
    const match = COMMAND.exec(text)
    if (match === null) return undefined
    const recipient = match[2]
    if (recipient !== undefined && recipient.toLowerCase() !== this.reading.username?.toLowerCase()) {
      return undefined
    }
    return (match[1] as string).toLowerCase()
  }
}

const COMMAND = /^\/([a-zA-Z0-9_]{1,32})(?:@([a-zA-Z0-9_]{1,64}))?(?=\s|$)/
const NOTHING: Fields = Object.freeze({})

/**
 * Reads the facts of an update.
 *
 * @param update A Bot API update, as received.
 * @param reading The bot's user name, and the digest that keys fingerprints (by default, of this process).
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

function messageActivity(message: Fields): Activity {
  // What most messages are; none of the service fields comes with a text.
  if (typeof message.text === 'string') return 'message'
  if (message.successful_payment !== undefined || message.refunded_payment !== undefined) return 'payment'
  for (let i = 0; i < SERVICE_FIELDS.length; i++) {
    if (message[SERVICE_FIELDS[i] as string] !== undefined) return 'service'
  }
  return 'message'
}

function asFields(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null ? (value as Fields) : undefined
}

function idOf(value: unknown): number | undefined {
  const id = asFields(value)?.id
  return typeof id === 'number' && Number.isSafeInteger(id) && id !== 0 ? id : undefined
}

function asUser(value: unknown): User | undefined {
  return idOf(value) === undefined ? undefined : (value as User)
}
