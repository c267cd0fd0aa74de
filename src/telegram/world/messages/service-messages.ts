import type { Message } from 'grammy/types'

/** Fields of ordinary content. All other fields of a message are service events: of the chat, a payment, a mini app. */
type Said =
  | keyof Message.MediaMessage
  | 'text'
  | 'entities'
  | 'rich_message'
  | 'animation'
  | 'audio'
  | 'document'
  | 'live_photo'
  | 'paid_media'
  | 'photo'
  | 'sticker'
  | 'story'
  | 'video'
  | 'video_note'
  | 'voice'
  | 'contact'
  | 'dice'
  | 'game'
  | 'poll'
  | 'venue'
  | 'location'
  | 'checklist'
  | 'invoice'
  | 'giveaway'
  | 'giveaway_winners'

const EVENTS: ReadonlySet<string> = new Set(
  Object.keys({
    checklist_tasks_done: true,
    checklist_tasks_added: true,
    community_chat_added: true,
    community_chat_removed: true,
    suggested_post_info: true,
    suggested_post_approved: true,
    suggested_post_approval_failed: true,
    suggested_post_declined: true,
    suggested_post_paid: true,
    suggested_post_refunded: true,
    chat_owner_left: true,
    chat_owner_changed: true,
    new_chat_members: true,
    community_chat_joined: true,
    left_chat_member: true,
    new_chat_title: true,
    new_chat_photo: true,
    delete_chat_photo: true,
    group_chat_created: true,
    supergroup_chat_created: true,
    channel_chat_created: true,
    managed_bot_created: true,
    poll_option_added: true,
    poll_option_deleted: true,
    message_auto_delete_timer_changed: true,
    migrate_to_chat_id: true,
    migrate_from_chat_id: true,
    pinned_message: true,
    successful_payment: true,
    refunded_payment: true,
    users_shared: true,
    chat_shared: true,
    connected_website: true,
    write_access_allowed: true,
    passport_data: true,
    proximity_alert_triggered: true,
    boost_added: true,
    chat_background_set: true,
    forum_topic_created: true,
    forum_topic_edited: true,
    forum_topic_closed: true,
    forum_topic_reopened: true,
    general_forum_topic_hidden: true,
    general_forum_topic_unhidden: true,
    giveaway_created: true,
    giveaway_completed: true,
    gift: true,
    gift_upgrade_sent: true,
    unique_gift: true,
    paid_message_price_changed: true,
    direct_message_price_changed: true,
    video_chat_scheduled: true,
    video_chat_started: true,
    video_chat_ended: true,
    video_chat_participants_invited: true,
    web_app_data: true,
  } satisfies Record<Exclude<keyof Message, Said>, true>),
)

/**
 * Whether a message is a service message. These cannot be forwarded, copied or edited, reach every bot, and do not count for slow
 * mode. Fields that the Bot API adds cause a compile error above until they are classified.
 */
export function isService(message: Message): boolean {
  for (const name in message)
    if (EVENTS.has(name) && message[name as keyof Message] !== undefined) return true
  return false
}
