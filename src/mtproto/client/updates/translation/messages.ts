import type { tl } from '@mtcute/core'
import type { Chat, Message, User } from 'grammy/types'
import { markedId } from '../../messages.js'
import { entitiesOf } from './entities.js'
import { mediaOf } from './media.js'
import { paidOf } from './payments.js'
import { chatOf, type Peers, userOf } from './people.js'

/** Users in `from` that the Bot API puts beside `sender_chat` (https://core.telegram.org/bots/api#message). */
const ANONYMOUS: User = {
  id: 1_087_968_824,
  is_bot: true,
  first_name: 'Group',
  username: 'GroupAnonymousBot',
}
const CHANNEL: User = { id: 136_817_688, is_bot: true, first_name: 'Channel', username: 'Channel_Bot' }
const TELEGRAM: User = { id: 777_000, is_bot: false, first_name: 'Telegram' }

/** Converts a message; undefined if its chat is not described in the update, or for service messages that the Bot API does not have. */
export function messageOf(message: tl.RawMessage | tl.RawMessageService, peers: Peers): Message | undefined {
  const chat = chatOf(message.peerId, peers)
  if (chat === undefined) return undefined
  const common = {
    message_id: message.id,
    date: message.date,
    chat,
    ...senderOf(message, chat, peers),
    ...threadOf(message),
  }
  if (message._ === 'messageService') {
    const event = eventOf(message, peers)
    return event === undefined ? undefined : ({ ...common, ...event } as Message)
  }
  const entities = entitiesOf(message.entities)
  const bot = message.viaBotId === undefined ? undefined : userOf(message.viaBotId, peers)
  const described = {
    ...common,
    ...(bot !== undefined && { via_bot: bot }),
    ...(message.editDate !== undefined && message.editHide !== true && { edit_date: message.editDate }),
    ...(message.groupedId !== undefined && { media_group_id: message.groupedId.toString() }),
    ...(message.postAuthor !== undefined && { author_signature: message.postAuthor }),
    ...(message.noforwards === true && { has_protected_content: true as const }),
  }
  const media = message.media?._ === 'messageMediaWebPage' ? undefined : message.media
  if (media === undefined) {
    return { ...described, text: message.message, ...(entities.length > 0 && { entities }) } as Message
  }
  return {
    ...described,
    ...mediaOf(media),
    ...(message.message !== '' && { caption: message.message }),
    ...(entities.length > 0 && { caption_entities: entities }),
  } as Message
}

/** The sender. For messages in the name of a chat, `from` is one of the users above, as guards expect. */
function senderOf(message: tl.RawMessage | tl.RawMessageService, chat: Chat, peers: Peers): Partial<Message> {
  if (chat.type === 'channel') return { sender_chat: chat }
  const sender = message.fromId ?? (chat.type === 'private' ? message.peerId : undefined)
  if (sender?._ === 'peerUser') {
    const from = userOf(sender.userId, peers)
    return from === undefined ? {} : { from }
  }
  // No sender means the group itself: an anonymous administrator.
  const speaker = sender === undefined ? chat : chatOf(sender, peers)
  if (speaker === undefined) return {}
  if (speaker.id === chat.id) return { sender_chat: speaker, from: ANONYMOUS }
  const source = message._ === 'message' ? message.fwdFrom?.savedFromPeer : undefined
  if (source !== undefined && markedId(source) === speaker.id)
    return { sender_chat: speaker, from: TELEGRAM, is_automatic_forward: true }
  return { sender_chat: speaker, from: CHANNEL }
}

function threadOf({ replyTo }: tl.RawMessage | tl.RawMessageService): Partial<Message> {
  if (replyTo?._ !== 'messageReplyHeader' || replyTo.forumTopic !== true) return {}
  const thread = replyTo.replyToTopId ?? replyTo.replyToMsgId
  return thread === undefined ? {} : { message_thread_id: thread, is_topic_message: true }
}

type Describe<Name> = (
  action: Extract<tl.TypeMessageAction, { _: Name }>,
  about: { readonly fromId: tl.TypePeer | undefined; readonly peers: Peers },
) => Partial<Message> | undefined

/** Converters of service messages, by MTProto action. */
const EVENTS: { readonly [Name in tl.TypeMessageAction['_']]?: Describe<Name> } = {
  messageActionChatAddUser: (action, { peers }) => ({ new_chat_members: usersOf(action.users, peers) }),
  messageActionChatJoinedByLink: (_, about) => cameAlone(about),
  messageActionChatJoinedByRequest: (_, about) => cameAlone(about),
  messageActionChatDeleteUser: ({ userId }, { peers }) => {
    const left = userOf(userId, peers)
    return left === undefined ? undefined : { left_chat_member: left }
  },
  messageActionPaymentSentMe: (action) => paidOf(action) as Partial<Message>,
  messageActionChatEditTitle: ({ title }) => ({ new_chat_title: title }),
  messageActionChatDeletePhoto: () => ({ delete_chat_photo: true }),
  messageActionChatCreate: () => ({ group_chat_created: true }),
  messageActionChatMigrateTo: ({ channelId }) => ({
    migrate_to_chat_id: markedId({ _: 'peerChannel', channelId }),
  }),
  messageActionChannelMigrateFrom: ({ chatId }) => ({ migrate_from_chat_id: -chatId }),
}

function eventOf({ action, fromId }: tl.RawMessageService, peers: Peers): Partial<Message> | undefined {
  const describe = EVENTS[action._] as Describe<tl.TypeMessageAction['_']> | undefined
  return describe?.(action, { fromId, peers })
}

function cameAlone({ fromId, peers }: Parameters<Describe<unknown>>[1]): Partial<Message> | undefined {
  return fromId?._ === 'peerUser' ? { new_chat_members: usersOf([fromId.userId], peers) } : undefined
}

function usersOf(ids: readonly number[], peers: Peers): User[] {
  return ids.map((id) => userOf(id, peers)).filter((user) => user !== undefined)
}
