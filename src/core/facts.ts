import type { Chat, Update, User } from '@grammyjs/types'
import { contentOf } from './content.js'
import { Digest } from './digest.js'
import { type Key, senderKey, userKey } from './subject.js'

/**
 * The 27 kinds of update of Bot API 10.3, likeliest first.
 *
 * @example
 * ```ts
 * import { UPDATE_KINDS } from 'grammy-sentinel'
 *
 * UPDATE_KINDS.includes('chat_boost') // true
 * ```
 */
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

/**
 * A kind of update, as Telegram names it.
 *
 * @example
 * ```ts
 * import type { UpdateKind } from 'grammy-sentinel'
 *
 * const kind: UpdateKind = 'callback_query'
 * ```
 */
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
 *
 * @example
 * ```ts
 * import type { Activity, Facts } from 'grammy-sentinel'
 *
 * const expensive: readonly Activity[] = ['message', 'inline']
 * const costOf = (facts: Facts) => (expensive.includes(facts.activity) ? 2 : 1)
 * ```
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
 *
 * @example
 * ```ts
 * import type { ActorKind, Facts } from 'grammy-sentinel'
 *
 * const hidden: readonly (ActorKind | undefined)[] = ['anonymous', 'channel']
 * const isHidden = (facts: Facts) => hidden.includes(facts.actorKind)
 * ```
 */
export type ActorKind = 'user' | 'anonymous' | 'channel'

/**
 * Telegram's stand-in user for anonymous administrators; the real sender is `sender_chat`.
 *
 * @example
 * ```ts
 * import { ANONYMOUS_ADMIN_ID, type Facts } from 'grammy-sentinel'
 *
 * // Never in `facts.actor`: each group has anonymous administrators of its own.
 * const hides = (facts: Facts) => facts.user?.id === ANONYMOUS_ADMIN_ID
 * ```
 */
export const ANONYMOUS_ADMIN_ID = 1087968824
/**
 * Telegram's stand-in user for a channel that writes in a group; the real sender is `sender_chat`.
 *
 * @example
 * ```ts
 * import { CHANNEL_SENDER_ID, type Facts } from 'grammy-sentinel'
 *
 * const wroteAsChannel = (facts: Facts) => facts.user?.id === CHANNEL_SENDER_ID
 * ```
 */
export const CHANNEL_SENDER_ID = 136817688
/**
 * Telegram's own user, in whose name linked channels are forwarded; the real sender is `sender_chat`.
 *
 * @example
 * ```ts
 * import { type Facts, TELEGRAM_ID } from 'grammy-sentinel'
 *
 * const cameFromTelegram = (facts: Facts) => facts.user?.id === TELEGRAM_ID
 * ```
 */
export const TELEGRAM_ID = 777000

/**
 * What describes the reader rather than the update.
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
  /** The bot's user name, without `@`: commands for other bots are none of ours. Unknown: none is ours but the plain ones. */
  readonly username?: string | undefined
  /** Keys the fingerprints. */
  readonly digest: Digest
}

const OF_THIS_PROCESS: Reading = { digest: Digest.random() }

/**
 * Message fields that make it a service message: Telegram tells, nobody says. Left out are those that somebody
 * sends to the bot (shared users and chats, web app data, passports) and payments.
 */
const SERVICE_FIELDS: ReadonlySet<string> = new Set([
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
  'community_chat_added',
  'community_chat_joined',
  'community_chat_removed',
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
  'checklist_tasks_done',
  'checklist_tasks_added',
  'poll_option_added',
  'poll_option_deleted',
  'managed_bot_created',
  'connected_website',
  'write_access_allowed',
  'gift',
  'gift_upgrade_sent',
  'unique_gift',
  'giveaway_created',
  'giveaway_completed',
  'paid_message_price_changed',
  'direct_message_price_changed',
  'suggested_post_approved',
  'suggested_post_approval_failed',
  'suggested_post_declined',
  'suggested_post_paid',
  'suggested_post_refunded',
  'proximity_alert_triggered',
])

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
    const fields = asFields(update) ?? NOTHING
    const updateId = fields.update_id
    this.updateId = typeof updateId === 'number' && Number.isSafeInteger(updateId) ? updateId : Number.NaN
    let kind: UpdateKind | undefined
    let payload: Fields | undefined
    for (let i = 0; i < UPDATE_KINDS.length; i++) {
      const candidate = UPDATE_KINDS[i] as UpdateKind
      const value = fields[candidate]
      if (value !== undefined) {
        payload = asFields(value)
        if (payload === undefined) continue
        kind = candidate
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
        actorId = idOf(source.sender_chat)
        if (actorId === undefined) {
          actorId = idOf(source.from)
          actorKind = 'user'
        } else actorKind = actorId === idOf(chat) ? 'anonymous' : 'channel'
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
        actorId = idOf(source.actor_chat)
        if (actorId === undefined) {
          actorId = idOf(source.user)
          actorKind = 'user'
        } else actorKind = actorId === idOf(chat) ? 'anonymous' : 'channel'
        activity = 'reaction'
        break
      case 'poll_answer':
        actorId = idOf(source.voter_chat)
        if (actorId === undefined) {
          actorId = idOf(source.user)
          actorKind = 'user'
        } else {
          // The chat of the poll is not told; only channels write in other chats than their own.
          actorKind = asFields(source.voter_chat)?.type === 'channel' ? 'channel' : 'anonymous'
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
   * Units that limits charge: 1, or 0 for what nobody did to the bot (posts, service updates, unknown kinds) and
   * for membership: a hundred people let in by one administrator are no flood of his.
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
   * The command without slash and bot name, in lower case, if the text or caption begins with one that is meant
   * for this bot: 1 to 64 letters, digits and underscores. It ends where Telegram's own entity ends, as for
   * grammY: `/buy!` is a command.
   */
  get command(): string | undefined {
    if (this.commandRead === null) this.commandRead = this.readCommand()
    return this.commandRead
  }

  /**
   * The `media_group_id`: several updates that are one album. Unique only inside its chat. An edit belongs to no
   * album: or whoever edits one picture again and again would never be charged.
   */
  get album(): string | undefined {
    if (this.activity === 'edit' || this.kind === 'edited_channel_post') return undefined
    const id = this.payload.media_group_id
    return typeof id === 'string' && id !== '' ? id : undefined
  }

  /**
   * The user who is acted upon: the member, the requester, the one who was added (the first, if several) or left,
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
    if (content === undefined) return undefined
    // A chat of a business account, or one a guest is summoned to, may have the id of one of the bot's own.
    const connection = this.payload.business_connection_id
    const house = typeof connection === 'string' ? connection : this.kind === 'guest_message' ? 'guest' : ''
    return this.reading.digest.number(`${house} ${this.chatId ?? ''}\n${content}`)
  }

  /** A keyed digest of any text, in the same key as {@link fingerprint}. */
  digest(text: string): number {
    return this.reading.digest.number(text)
  }

  private readCommand(): string | undefined {
    if (this.activity !== 'message') return undefined
    const plain = typeof this.payload.text === 'string'
    const text = plain ? this.payload.text : this.payload.caption
    if (typeof text !== 'string' || text.charCodeAt(0) !== SLASH) return undefined
    const length = commandLength(plain ? this.payload.entities : this.payload.caption_entities)
    const match = COMMAND.exec(length === undefined ? text : text.slice(0, length))
    if (match === null) return undefined
    const recipient = match[2]
    if (recipient !== undefined && recipient.toLowerCase() !== this.reading.username?.toLowerCase()) {
      return undefined
    }
    return (match[1] as string).toLowerCase()
  }
}

/**
 * What Telegram takes for a command at the beginning of a text: the rule of match_bot_commands in
 * https://github.com/tdlib/td/blob/master/td/telegram/MessageEntity.cpp
 */
const COMMAND = /^\/([a-zA-Z0-9_]{1,64})(?:@([a-zA-Z0-9_]{3,32}))?(?![\p{L}\p{M}\p{N}_@/<>])/u
const SLASH = 47
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
  // Over the dozen fields there are, not over the fifty there might be.
  for (const name in message) if (SERVICE_FIELDS.has(name)) return 'service'
  return 'message'
}

/** The length of the command that Telegram saw at the beginning, which is what grammY goes by. */
function commandLength(entities: unknown): number | undefined {
  if (!Array.isArray(entities)) return undefined
  for (let i = 0; i < entities.length; i++) {
    const entity = asFields(entities[i])
    if (entity?.type !== 'bot_command' || entity.offset !== 0) continue
    return typeof entity.length === 'number' ? entity.length : undefined
  }
  return undefined
}

function asFields(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null ? (value as Fields) : undefined
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
