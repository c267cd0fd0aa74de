import type { Message, MessageOrigin } from 'grammy/types'
import { describeChat, type StoredMessage } from '../chats/chats.js'
import type { Content } from './content.js'

const NOT_CONTENT: ReadonlySet<string> = new Set([
  'message_id',
  'message_thread_id',
  'is_topic_message',
  'from',
  'sender_chat',
  'chat',
  'date',
  'edit_date',
  'reply_to_message',
  'external_reply',
  'quote',
  'reply_markup',
  'is_automatic_forward',
  'forward_origin',
  'has_protected_content',
  'effect_id',
  'ephemeral_message_id',
  'receiver_user',
  'via_bot',
  'sender_tag',
  'author_signature',
] satisfies (keyof Message)[])

/** The content of a message: all fields except sender, place, time, reply and buttons. */
export function contentOf(message: Message): Content {
  return Object.fromEntries(Object.entries(message).filter(([name]) => !NOT_CONTENT.has(name)))
}

/** The other fields of a message: sender, place, time, reply and buttons. */
export function withoutContent(message: Message): Message {
  return Object.fromEntries(
    Object.entries(message).filter(([name]) => NOT_CONTENT.has(name)),
  ) as unknown as Message
}

/** The original sender, even if the message was itself forwarded. */
export function originOf({ chat, message }: StoredMessage): MessageOrigin {
  const { forward_origin, message_id, sender_chat, from, date } = message
  if (forward_origin !== undefined) return forward_origin
  const described = describeChat(chat)
  if (described.type === 'channel') return { type: 'channel', chat: described, message_id, date }
  if (sender_chat !== undefined) return { type: 'chat', sender_chat, date }
  if (from === undefined) return { type: 'hidden_user', sender_user_name: 'Deleted Account', date }
  return { type: 'user', sender_user: from, date }
}
