import type { tl } from '@mtcute/core'
import type { Chat, Message, MessageEntity, Update, User } from 'grammy/types'
import { markedId } from '../messages.js'

/**
 * Numbers of bridged updates begin here: above what Telegram counts to (it numbers updates in 32 bits), and below 2^53 with room for four
 * million updates a second for ten years.
 */
const FIRST_ID = 2 ** 52

/** Who is mentioned beside an update, by the numbers the Bot API has for them. */
export type Peers = ReadonlyMap<number, tl.RawUser | tl.RawChannel>

/** What of an MTProto update the Bot API has a word for, as a Bot API update. */
export class Translation {
  #next: number

  /** Numbers rise over restarts as well: `once` and webhooks take a number that was there for a duplicate. */
  constructor(now: number) {
    this.#next = FIRST_ID + Math.floor(now / 1000) * 4096
  }

  /** Undefined for what the Bot API does not know, and for what the account itself wrote. */
  update(update: tl.TypeUpdate, peers: Peers): Update | undefined {
    switch (update._) {
      case 'updateNewMessage':
      case 'updateNewChannelMessage':
        return this.#message(update.message, peers, false)
      case 'updateEditMessage':
      case 'updateEditChannelMessage':
        return this.#message(update.message, peers, true)
      case 'updateBotCallbackQuery':
        return this.#tap(update, peers)
      default:
        return undefined
    }
  }

  #message(message: tl.TypeMessage, peers: Peers, isEdit: boolean): Update | undefined {
    if (message._ === 'messageEmpty' || message.out === true) return undefined
    const described = messageOf(message, peers)
    if (described === undefined) return undefined
    const isPost = described.chat.type === 'channel'
    const kind = isPost
      ? isEdit
        ? 'edited_channel_post'
        : 'channel_post'
      : isEdit
        ? 'edited_message'
        : 'message'
    return { update_id: this.#next++, [kind]: described } as Update
  }

  #tap(tap: tl.RawUpdateBotCallbackQuery, peers: Peers): Update | undefined {
    const from = userOf(tap.userId, peers)
    const chat = chatOf(tap.peer, peers)
    if (from === undefined || chat === undefined) return undefined
    const query = {
      id: tap.queryId.toString(),
      from,
      chat_instance: tap.chatInstance.toString(),
      message: { message_id: tap.msgId, chat, date: 0 },
      ...(tap.data !== undefined && { data: new TextDecoder().decode(tap.data) }),
    }
    return { update_id: this.#next++, callback_query: query } as Update
  }
}

function messageOf(message: tl.RawMessage | tl.RawMessageService, peers: Peers): Message | undefined {
  const chat = chatOf(message.peerId, peers)
  if (chat === undefined) return undefined
  const sender = message.fromId ?? (chat.type === 'private' ? message.peerId : undefined)
  const from = sender?._ === 'peerUser' ? userOf(sender.userId, peers) : undefined
  const speaker = sender !== undefined && sender._ !== 'peerUser' ? chatOf(sender, peers) : undefined
  const common = {
    message_id: message.id,
    date: message.date,
    chat,
    ...(from !== undefined && { from }),
    ...(speaker !== undefined && { sender_chat: speaker }),
    ...(chat.type === 'channel' && { sender_chat: chat }),
  }
  if (message._ === 'messageService') {
    const event = eventOf(message.action, peers)
    return event === undefined ? undefined : ({ ...common, ...event } as Message)
  }
  const entities = (message.entities ?? []).map(entityOf).filter((entity) => entity !== undefined)
  return {
    ...common,
    ...(message.editDate !== undefined && { edit_date: message.editDate }),
    ...(message.groupedId !== undefined && { media_group_id: message.groupedId.toString() }),
    ...(message.media === undefined
      ? { text: message.message, ...(entities.length > 0 && { entities }) }
      : { caption: message.message, ...(entities.length > 0 && { caption_entities: entities }) }),
  } as Message
}

function eventOf(action: tl.TypeMessageAction, peers: Peers): Partial<Message> | undefined {
  switch (action._) {
    case 'messageActionChatAddUser': {
      const members = action.users.map((id) => userOf(id, peers)).filter((user) => user !== undefined)
      return { new_chat_members: members }
    }
    case 'messageActionChatDeleteUser': {
      const left = userOf(action.userId, peers)
      return left === undefined ? undefined : { left_chat_member: left }
    }
    case 'messageActionChatEditTitle':
      return { new_chat_title: action.title }
    default:
      return undefined
  }
}

function userOf(id: number, peers: Peers): User | undefined {
  const user = peers.get(id)
  if (user?._ !== 'user') return undefined
  return {
    id,
    is_bot: user.bot === true,
    first_name: user.firstName ?? '',
    ...(user.lastName !== undefined && { last_name: user.lastName }),
    ...(user.username !== undefined && { username: user.username }),
    ...(user.langCode !== undefined && { language_code: user.langCode }),
    ...(user.premium === true && { is_premium: true as const }),
  }
}

function chatOf(peer: tl.TypePeer, peers: Peers): Chat | undefined {
  if (peer._ === 'peerUser') {
    const user = userOf(peer.userId, peers)
    if (user === undefined) return undefined
    const { id, first_name, last_name, username } = user
    return {
      id,
      type: 'private',
      first_name,
      ...(last_name !== undefined && { last_name }),
      ...(username !== undefined && { username }),
    }
  }
  const id = markedId(peer)
  const chat = peers.get(id)
  if (chat?._ !== 'channel') return undefined
  const name = chat.username === undefined ? {} : { username: chat.username }
  if (chat.broadcast === true) return { id, type: 'channel', title: chat.title, ...name }
  return { id, type: 'supergroup', title: chat.title, ...name }
}

const ENTITIES: Readonly<Record<string, MessageEntity['type']>> = {
  messageEntityMention: 'mention',
  messageEntityHashtag: 'hashtag',
  messageEntityCashtag: 'cashtag',
  messageEntityBotCommand: 'bot_command',
  messageEntityUrl: 'url',
  messageEntityEmail: 'email',
  messageEntityPhone: 'phone_number',
  messageEntityBold: 'bold',
  messageEntityItalic: 'italic',
  messageEntityUnderline: 'underline',
  messageEntityStrike: 'strikethrough',
  messageEntitySpoiler: 'spoiler',
  messageEntityBlockquote: 'blockquote',
  messageEntityCode: 'code',
}

function entityOf(entity: tl.TypeMessageEntity): MessageEntity | undefined {
  const { offset, length } = entity
  if (entity._ === 'messageEntityPre') return { type: 'pre', offset, length, language: entity.language }
  if (entity._ === 'messageEntityTextUrl') return { type: 'text_link', offset, length, url: entity.url }
  const type = ENTITIES[entity._]
  return type === undefined ? undefined : ({ type, offset, length } as MessageEntity)
}
