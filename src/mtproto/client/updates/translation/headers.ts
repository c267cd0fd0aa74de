import type { tl } from '@mtcute/core'
import type { Chat, ExternalReplyInfo, Message, MessageOrigin } from 'grammy/types'
import { entitiesOf } from './entities.js'
import { mediaOf } from './media.js'
import { chatOf, type Peers, userOf } from './people.js'

/**
 * Describes what a message replies to (https://core.telegram.org/constructor/messageReplyHeader). MTProto gives only the id of a
 * message in the same chat: it is inaccessible here, until the bridge has fetched it.
 */
export function replyOf(replyTo: tl.TypeMessageReplyHeader, chat: Chat, peers: Peers): Partial<Message> {
  if (replyTo._ === 'messageReplyStoryHeader') {
    const poster = chatOf(replyTo.peer, peers)
    return poster === undefined ? {} : { reply_to_story: { chat: poster, id: replyTo.storyId } }
  }
  const { replyToMsgId: id = 0, replyFrom, quoteText: text, quoteOffset: position = 0, quote } = replyTo
  const external = replyFrom === undefined ? undefined : externalReplyOf(replyTo, replyFrom, peers)
  const entities = entitiesOf(replyTo.quoteEntities, peers)
  return {
    ...threadOf(replyTo, chat),
    ...(isInSameChat(replyTo) && { reply_to_message: inaccessible(id, chat) }),
    ...(external !== undefined && { external_reply: external }),
    ...(text !== undefined && {
      quote: {
        text,
        ...(entities.length > 0 && { entities }),
        position,
        ...(quote === true && { is_manual: true as const }),
      },
    }),
    ...(replyTo.todoItemId !== undefined && { reply_to_checklist_task_id: replyTo.todoItemId }),
  }
}

/** Describes a pin, which names the pinned message as a reply does. */
export function pinOf(
  replyTo: tl.TypeMessageReplyHeader | undefined,
  chat: Chat,
): Partial<Message> | undefined {
  if (replyTo?._ !== 'messageReplyHeader' || replyTo.replyToMsgId === undefined) return undefined
  return {
    ...(replyTo.forumTopic === true && threadOf(replyTo, chat)),
    pinned_message: inaccessible(replyTo.replyToMsgId, chat),
  }
}

/** A message of which only the id is known (https://core.telegram.org/bots/api#inaccessiblemessage). */
function inaccessible(id: number, chat: Chat): NonNullable<Message['reply_to_message']> {
  return { message_id: id, chat, date: 0 } as NonNullable<Message['reply_to_message']>
}

/** A message in a topic that is not a reply refers to the message that opened the topic. */
function isInSameChat(replyTo: tl.RawMessageReplyHeader): boolean {
  const { replyToMsgId: id = 0, replyToTopId: top, forumTopic, replyFrom, replyToPeerId: place } = replyTo
  return (
    id > 0 && replyFrom === undefined && place === undefined && !(forumTopic === true && top === undefined)
  )
}

/** In a supergroup, replies share the thread of the message that the first of them replies to; in a forum, topics are threads. */
function threadOf(replyTo: tl.RawMessageReplyHeader, chat: Chat): Partial<Message> {
  const { replyToMsgId: id, replyToTopId: top, forumTopic } = replyTo
  if (forumTopic === true) {
    const thread = top ?? id
    return thread === undefined ? {} : { message_thread_id: thread, is_topic_message: true }
  }
  if (chat.type !== 'supergroup' || chat.is_forum === true) return {}
  const thread = top ?? (isInSameChat(replyTo) ? id : undefined)
  return thread === undefined ? {} : { message_thread_id: thread }
}

/** Describes a message of another chat or topic. */
function externalReplyOf(
  { replyToMsgId: id, replyToPeerId: place, replyMedia }: tl.RawMessageReplyHeader,
  from: tl.RawMessageFwdHeader,
  peers: Peers,
): ExternalReplyInfo | undefined {
  const origin = originOf(from, peers)
  if (origin === undefined) return undefined
  const chat = place === undefined ? undefined : chatOf(place, peers)
  const isShown = chat?.type === 'supergroup' || chat?.type === 'channel'
  return {
    origin,
    ...(isShown && { chat, ...(id !== undefined && { message_id: id }) }),
    ...(replyMedia !== undefined && (mediaOf(replyMedia) as Partial<ExternalReplyInfo>)),
  }
}

/** Describes who wrote a forwarded message first; undefined if they are not described in the update. */
export function originOf(
  { fromId, fromName, channelPost, postAuthor, date }: tl.RawMessageFwdHeader,
  peers: Peers,
): MessageOrigin | undefined {
  if (fromId === undefined)
    return fromName === undefined ? undefined : { type: 'hidden_user', sender_user_name: fromName, date }
  if (fromId._ === 'peerUser') {
    const user = userOf(fromId.userId, peers)
    return user === undefined ? undefined : { type: 'user', sender_user: user, date }
  }
  const chat = chatOf(fromId, peers)
  if (chat === undefined) return undefined
  const signed = postAuthor === undefined ? {} : { author_signature: postAuthor }
  return chat.type === 'channel' && channelPost !== undefined
    ? { type: 'channel', chat, message_id: channelPost, ...signed, date }
    : { type: 'chat', sender_chat: chat, ...signed, date }
}
