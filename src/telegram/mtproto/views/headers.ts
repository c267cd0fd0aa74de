import type { ExternalReplyInfo, Message, MessageOrigin } from 'grammy/types'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { StoredMessage } from '../../world/chats/chats.js'
import { entitiesOf } from './entities.js'
import { peerOf } from './peers.js'

/**
 * The header of a reply or a pin (https://core.telegram.org/constructor/messageReplyHeader). `numberOf` returns the viewer's id
 * of a message, `mediaOf` its media.
 */
export function replyHeader(
  { chat, message }: StoredMessage,
  numberOf: (stored: StoredMessage) => number,
  mediaOf: (message: Message) => TlObject | undefined,
): { readonly reply_to?: TlObject } {
  const { quote, message_thread_id: thread, is_topic_message: isInTopic, external_reply: external } = message
  const answered = answeredBy(message) ?? (isInTopic === true ? thread : undefined)
  if (answered === undefined && external === undefined) return {}
  const target = answered === undefined ? undefined : chat.history.find(answered)
  return {
    reply_to: {
      _: 'messageReplyHeader',
      ...(answered !== undefined && { reply_to_msg_id: target === undefined ? answered : numberOf(target) }),
      ...(external !== undefined && externalHeader(external, mediaOf)),
      ...(isInTopic === true && { forum_topic: true }),
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

/** The id of the message that a message replies to or pins. */
export function answeredBy({
  pinned_message: pinned,
  reply_to_message: replied,
}: Message): number | undefined {
  return (pinned ?? replied)?.message_id
}

function externalHeader(
  external: ExternalReplyInfo,
  mediaOf: (message: Message) => TlObject | undefined,
): Omit<TlObject, '_'> {
  const { origin, chat, message_id: id } = external
  // The text of another chat's message is not shown.
  const media = mediaOf({ ...external, text: '' } as unknown as Message)
  return {
    reply_from: originHeader(origin),
    ...(chat !== undefined && { reply_to_peer_id: peerOf(chat.id), reply_to_msg_id: id }),
    ...(media !== undefined && { reply_media: media }),
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
      ...originHeader(origin),
      ...(automatic === true &&
        post !== undefined && { saved_from_peer: peerOf(post.chat.id), saved_from_msg_id: post.message_id }),
    },
  }
}

function originHeader(origin: MessageOrigin): TlObject {
  return {
    _: 'messageFwdHeader',
    date: origin.date,
    ...senderOf(origin),
    ...(origin.type === 'channel' && { channel_post: origin.message_id }),
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
  const { via_bot: via, forward_origin: origin, external_reply: external } = message
  if (via !== undefined) yield via.id
  if (origin !== undefined) yield* namedBy(origin)
  if (external !== undefined) yield* namedBy(external.origin)
  if (external?.chat !== undefined) yield external.chat.id
  for (const entity of message.entities ?? message.caption_entities ?? []) {
    if (entity.type === 'text_mention') yield entity.user.id
  }
}

function* namedBy(origin: MessageOrigin): Generator<number> {
  if (origin.type === 'user') yield origin.sender_user.id
  if (origin.type === 'chat') yield origin.sender_chat.id
  if (origin.type === 'channel') yield origin.chat.id
}
