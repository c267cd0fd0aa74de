import type { Message, MessageOrigin } from 'grammy/types'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { StoredMessage } from '../../world/chats.js'
import { entitiesOf } from './entities.js'
import { peerOf } from './peers.js'

/**
 * The header of a reply (https://core.telegram.org/constructor/messageReplyHeader). `numberOf` returns the viewer's id of a
 * message.
 */
export function replyHeader(
  { chat, message }: StoredMessage,
  numberOf: (stored: StoredMessage) => number,
): { readonly reply_to?: TlObject } {
  const { reply_to_message: replied, quote } = message
  const thread = message.is_topic_message === true ? message.message_thread_id : undefined
  const answered = replied?.message_id ?? thread
  if (answered === undefined) return {}
  const target = chat.history.find(answered)
  return {
    reply_to: {
      _: 'messageReplyHeader',
      reply_to_msg_id: target === undefined ? answered : numberOf(target),
      ...(thread !== undefined && { forum_topic: true }),
      // A message in a topic that is not a reply refers to the message that opened the topic.
      ...(thread !== undefined && thread !== answered && { reply_to_top_id: thread }),
      ...(quote !== undefined && {
        quote: quote.is_manual === true,
        quote_text: quote.text,
        quote_entities: entitiesOf(quote.entities),
        quote_offset: quote.position,
      }),
    },
  }
}

/** The header of a forwarded message (https://core.telegram.org/constructor/messageFwdHeader). */
export function forwardHeader({ forward_origin: origin, is_automatic_forward: automatic }: Message): {
  readonly fwd_from?: TlObject
} {
  if (origin === undefined) return {}
  const post = origin.type === 'channel' ? origin : undefined
  return {
    fwd_from: {
      _: 'messageFwdHeader',
      date: origin.date,
      ...senderOf(origin),
      ...(post !== undefined && { channel_post: post.message_id }),
      ...(automatic === true &&
        post !== undefined && { saved_from_peer: peerOf(post.chat.id), saved_from_msg_id: post.message_id }),
    },
  }
}

function senderOf(origin: MessageOrigin): Omit<TlObject, '_'> {
  switch (origin.type) {
    case 'user':
      return { from_id: peerOf(origin.sender_user.id) }
    case 'hidden_user':
      return { from_name: origin.sender_user_name }
    case 'chat':
      return { from_id: peerOf(origin.sender_chat.id), ...signed(origin.author_signature) }
    default:
      return { from_id: peerOf(origin.chat.id), ...signed(origin.author_signature) }
  }
}

function signed(signature: string | undefined): { readonly post_author?: string } {
  return signature === undefined ? {} : { post_author: signature }
}

/** Ids of users and chats that a message refers to besides its sender, as in the Bot API. */
export function* namedIn(message: Message): Generator<number> {
  const { via_bot: via, forward_origin: origin } = message
  if (via !== undefined) yield via.id
  if (origin?.type === 'user') yield origin.sender_user.id
  if (origin?.type === 'chat') yield origin.sender_chat.id
  if (origin?.type === 'channel') yield origin.chat.id
  for (const entity of message.entities ?? message.caption_entities ?? []) {
    if (entity.type === 'text_mention') yield entity.user.id
  }
}
