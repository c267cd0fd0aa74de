import type { tl } from '@mtcute/core'
import type { Chat, Message, User } from 'grammy/types'
import { markedId } from '../../calls/peers.js'
import { entitiesOf } from './entities.js'
import { originOf, pinOf, replyOf } from './headers.js'
import { mediaOf, sizesOf } from './media.js'
import { paidOf } from './payments.js'
import { CHANNEL, chatOf, type Peers, userOf } from './people.js'

/** Users in `from` that the Bot API puts beside `sender_chat` (https://core.telegram.org/bots/api#message). */
const ANONYMOUS: User = {
  id: 1_087_968_824,
  is_bot: true,
  first_name: 'Group',
  username: 'GroupAnonymousBot',
}
const TELEGRAM: User = { id: 777_000, is_bot: false, first_name: 'Telegram' }

/** Converts a message; undefined if its chat is not described in the update, or for service messages that the Bot API does not have. */
export function messageOf(
  message: tl.RawMessage | tl.RawMessageService,
  peers: Peers,
  me: User,
): Message | undefined {
  const chat = chatOf(message.peerId, peers)
  if (chat === undefined) return undefined
  const common = {
    message_id: message.id,
    date: message.date,
    chat,
    ...senderOf(message, chat, peers, me),
    ...(message.replyTo !== undefined && !isPin(message) && replyOf(message.replyTo, chat, peers)),
  }
  if (message._ === 'messageService') {
    const event = eventOf(message, chat, peers)
    return event === undefined ? undefined : ({ ...common, ...event } as Message)
  }
  const entities = entitiesOf(message.entities, peers)
  const origin = message.fwdFrom && originOf(message.fwdFrom, peers)
  const bot = message.viaBotId === undefined ? undefined : userOf(message.viaBotId, peers)
  const described = {
    ...common,
    ...(bot !== undefined && { via_bot: bot }),
    ...(origin !== undefined && { forward_origin: origin }),
    ...(message.editDate !== undefined && message.editHide !== true && { edit_date: message.editDate }),
    ...(message.groupedId !== undefined && { media_group_id: message.groupedId.toString() }),
    ...(message.effect !== undefined && { effect_id: message.effect.toString() }),
    ...(message.postAuthor !== undefined && { author_signature: message.postAuthor }),
    ...(message.fromRank !== undefined && chat.type === 'supergroup' && { sender_tag: message.fromRank }),
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
function senderOf(
  message: tl.RawMessage | tl.RawMessageService,
  chat: Chat,
  peers: Peers,
  me: User,
): Partial<Message> {
  if (chat.type === 'channel') return { sender_chat: chat }
  // In a private chat, messages of the bot itself may lack a sender.
  if (message.out === true && message.fromId === undefined && chat.type === 'private') return { from: me }
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

type Describe<Name> = (
  action: Extract<tl.TypeMessageAction, { _: Name }>,
  about: { readonly message: tl.RawMessageService; readonly chat: Chat; readonly peers: Peers },
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
  messageActionSetMessagesTTL: ({ period }) => ({
    message_auto_delete_timer_changed: { message_auto_delete_time: period },
  }),
  messageActionChatEditPhoto: ({ photo }) =>
    photo._ === 'photo' ? { new_chat_photo: sizesOf(photo) } : undefined,
  messageActionPinMessage: (_, { message, chat }) => pinOf(message.replyTo, chat),
  messageActionTopicCreate: ({ title, iconColor, iconEmojiId: icon, titleMissing }, { message: { id } }) => ({
    message_thread_id: id,
    is_topic_message: true,
    forum_topic_created: {
      name: title,
      icon_color: iconColor as 0x6fb9f0,
      ...(icon !== undefined && { icon_custom_emoji_id: icon.toString() }),
      ...(titleMissing === true && { is_name_implicit: true }),
    },
  }),
  messageActionTopicEdit: ({ title, iconEmojiId: icon, closed, hidden }) => {
    if (closed !== undefined) return closed ? { forum_topic_closed: {} } : { forum_topic_reopened: {} }
    if (hidden !== undefined)
      return hidden ? { general_forum_topic_hidden: {} } : { general_forum_topic_unhidden: {} }
    return {
      forum_topic_edited: {
        ...(title !== undefined && { name: title }),
        // 0 removes the icon, which is an empty string in the Bot API.
        ...(icon !== undefined && { icon_custom_emoji_id: icon.isZero() ? '' : icon.toString() }),
      },
    }
  },
}

function isPin(message: tl.RawMessage | tl.RawMessageService): boolean {
  return message._ === 'messageService' && message.action._ === 'messageActionPinMessage'
}

function eventOf(message: tl.RawMessageService, chat: Chat, peers: Peers): Partial<Message> | undefined {
  const { action } = message
  const describe = EVENTS[action._] as Describe<tl.TypeMessageAction['_']> | undefined
  return describe?.(action, { message, chat, peers })
}

function cameAlone({ message, peers }: Parameters<Describe<unknown>>[1]): Partial<Message> | undefined {
  const { fromId } = message
  return fromId?._ === 'peerUser' ? { new_chat_members: usersOf([fromId.userId], peers) } : undefined
}

function usersOf(ids: readonly number[], peers: Peers): User[] {
  return ids.map((id) => userOf(id, peers)).filter((user) => user !== undefined)
}
