import type { Update } from 'grammy/types'

/**
 * The 27 kinds of update of Bot API 10.3, most frequent first.
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
 * Every {@link Activity}, for options that take a list of them.
 *
 * @example
 * ```ts
 * import { ACTIVITIES, throttle } from 'grammy-sentinel'
 *
 * throttle({ name: 'all', limit: '100/1m', on: ACTIVITIES.filter((activity) => activity !== 'payment') })
 * ```
 */
export const ACTIVITIES = [
  'message',
  'edit',
  'tap',
  'inline',
  'reaction',
  'vote',
  'membership',
  'checkout',
  'payment',
  'post',
  'service',
  'unknown',
] as const

/**
 * What the actor is doing, in one word. Update kinds that are limited alike share an activity.
 *
 * - `message`: writes something (message, guest and business message; a channel post that is a command for the bot)
 * - `edit`: changes an earlier message
 * - `tap`: presses an inline button
 * - `inline`: types an inline query, which causes an update per keystroke, or picks a result
 * - `reaction`, `vote`: reacts, answers a poll
 * - `membership`: joins, leaves, asks to join, is promoted
 * - `checkout`: is about to pay (pre-checkout and shipping queries, to be answered within 10 s)
 * - `payment`: has paid; never dropped, as the money has already been taken
 * - `post`: a channel post, its edit, or its automatic forward into the linked group
 * - `service`: reported by Telegram rather than done to the bot (pins, boosts, closed polls, messages that a bot or Telegram sent
 *   for a business account)
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
export type Activity = (typeof ACTIVITIES)[number]

/**
 * The kind of actor: a `user` (including bots), the `anonymous` administrators of a group (one actor per group), or a `channel`
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
 * Telegram's own user, which posts the automatic forwards from linked channels; the real sender is `sender_chat`.
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
 * Message fields that mark a service message, which Telegram creates rather than a user. Excluded are payments and messages that
 * a user sends to the bot (shared users and chats, web app data, passports).
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

/** Returns the activity of a message that is not an edit. */
export function messageActivity(message: Readonly<Record<string, unknown>>): Activity {
  // The most frequent case first: no service message has a text.
  if (typeof message.text === 'string') return 'message'
  if (message.successful_payment !== undefined || message.refunded_payment !== undefined) return 'payment'
  // A message has about a dozen fields, fewer than the set of service fields.
  for (const name in message) if (SERVICE_FIELDS.has(name)) return 'service'
  return 'message'
}
