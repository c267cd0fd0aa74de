import type { InlineKeyboardMarkup, Message, Update } from 'grammy/types'
import {
  type Account,
  type BotAccount,
  CHANNEL_BOT,
  GROUP_ANONYMOUS_BOT,
  TELEGRAM_USER,
} from '../accounts.js'
import { noteDeleted, noteEdited } from '../chats/admin-log-notes.js'
import {
  describeChat,
  isGroup,
  type SharedChat,
  type StoredMessage,
  type Topic,
  type WorldChat,
} from '../chats/chats.js'
import { calledIn, isIn } from '../chats/members.js'
import type { World } from '../world.js'
import type { Content } from './content.js'
import { contentOf, originOf, withoutContent } from './forwarding.js'
import { notePollIn } from './polls.js'
import { isMeantFor } from './privacy.js'
import { isService } from './service-messages.js'
import { noteTurn } from './speaking.js'
import { voiceOf } from './voice.js'

/** In characters: Bot API, sendMessage and sendPhoto: "1-4096" and "0-1024 characters after entities parsing". */
export const LONGEST_TEXT = 4096
export const LONGEST_CAPTION = 1024

interface Draft {
  readonly author: Account
  readonly content: Content
  /** The chat in whose name the author writes: the group itself (anonymous administrator) or a channel. */
  readonly onBehalfOf?: SharedChat | undefined
  readonly replyTo?: StoredMessage | undefined
  /** Makes the message ephemeral: only the receiver sees it, and it has no message id. */
  readonly receiver?: Account | undefined
  readonly replyMarkup?: InlineKeyboardMarkup | undefined
  /** The message sets or removes a reply keyboard, or forces a reply. */
  readonly changesScreen?: boolean
  /** The topic of the message, unless it is the General one; `new`: this message opens a topic. */
  readonly thread?: Topic | 'new' | undefined
  /** The bot whose inline result it is. */
  readonly viaBot?: BotAccount | undefined
}

/** Adds a message to a chat and queues updates for the bots that see it. Does not check rights. */
export function post(world: World, chat: WorldChat, draft: Draft): StoredMessage {
  const described = describeChat(chat)
  const ephemeral = draft.receiver !== undefined
  const id = ephemeral ? 0 : chat.history.claimId()
  const threadId = draft.thread === 'new' ? id : draft.thread?.id
  // In a topic, a message that is not a reply counts as a reply to the message that opened the topic.
  const replyTo = draft.replyTo ?? (threadId === undefined ? undefined : chat.history.find(threadId))
  const message: Message = {
    message_id: id,
    ...(threadId !== undefined
      ? { message_thread_id: threadId, is_topic_message: true as const }
      : strandOf(chat, draft)),
    ...senderOf(world, chat, draft),
    chat: described,
    date: world.date(),
    ...(ephemeral && {
      ephemeral_message_id: chat.history.claimEphemeralId(),
      receiver_user: draft.receiver.user,
    }),
    ...(replyTo !== undefined && { reply_to_message: withoutReply(replyTo.message) }),
    ...(draft.viaBot !== undefined && { via_bot: draft.viaBot.user }),
    ...draft.content,
    ...(draft.replyMarkup !== undefined && { reply_markup: draft.replyMarkup }),
  }
  const stored = keep(world, chat, message, {
    authorId: draft.author.id,
    ...(draft.receiver !== undefined && { receiverId: draft.receiver.id }),
    ...(draft.viaBot !== undefined && { viaBotId: draft.viaBot.id }),
    ...(draft.changesScreen === true && { changesScreen: true }),
  })
  if (chat.kind === 'private' && draft.author.kind === 'person') chat.started = true
  announce(world, stored, chat.kind === 'channel' ? 'channel_post' : 'message')
  if (chat.kind !== 'private' && !isService(message))
    noteTurn(world, chat, draft.author.id, message.media_group_id)
  if (chat.kind !== 'private' && draft.author.kind === 'bot' && !ephemeral) chat.lastBotId = draft.author.id
  if (chat.kind === 'channel' && chat.linkedId !== undefined && !ephemeral && !isService(message))
    forwardToDiscussion(world, chat, stored)
  return stored
}

/**
 * In a supergroup, replies share the thread of the message that the first of them replies to; in a forum, only topics are threads
 * (td/telegram/MessageTopic.cpp).
 */
function strandOf(chat: WorldChat, { replyTo, receiver }: Draft): Pick<Message, 'message_thread_id'> {
  if (
    chat.kind !== 'supergroup' ||
    chat.forum !== undefined ||
    replyTo === undefined ||
    receiver !== undefined
  )
    return {}
  const { message_thread_id: known, message_id: id } = replyTo.message
  return id === 0 ? {} : { message_thread_id: known ?? id }
}

type Sender = Pick<Message, 'from' | 'sender_chat' | 'sender_tag' | 'author_signature'>

function senderOf(world: World, chat: WorldChat, draft: Draft): Sender {
  if (chat.kind === 'channel') return { sender_chat: describeChat(chat) }
  if (chat.kind === 'private') return { from: draft.author.user }
  const membership = world.membership(chat, draft.author.id)
  const voice = voiceOf(world, chat, draft.author, draft.onBehalfOf)
  const called = voice === undefined || voice === chat ? calledIn(membership) : undefined
  const tag = called === undefined || chat.kind !== 'supergroup' ? {} : { sender_tag: called }
  if (voice === undefined) return { from: draft.author.user, ...tag }
  return {
    from: voice === chat ? GROUP_ANONYMOUS_BOT : CHANNEL_BOT,
    sender_chat: describeChat(voice),
    ...tag,
    ...(called !== undefined && { author_signature: called }),
  }
}

type Known = Pick<StoredMessage, 'authorId' | 'receiverId' | 'viaBotId' | 'changesScreen'>

function keep(world: World, chat: WorldChat, message: Message, known: Known): StoredMessage {
  const at = world.clock.now()
  const order = world.nextOrder()
  const lifetime = chat.kind === 'private' || isService(message) ? 0 : chat.autoDeleteTime
  const stored: StoredMessage = {
    chat,
    message,
    ...known,
    reactions: new Map(),
    order,
    firstOrder: order,
    at,
    ...(lifetime > 0 && { expiresAt: at + lifetime * 1000 }),
  }
  chat.history.add(stored)
  world.messages.add(stored)
  notePollIn(world, stored)
  world.show(stored)
  return stored
}

/** Copies a channel post to the discussion group, in the name of the channel, as Telegram does. */
function forwardToDiscussion(world: World, channel: SharedChat, original: StoredMessage): void {
  const group = channel.linkedId === undefined ? undefined : world.sharedChat(channel.linkedId)
  if (group === undefined) return
  const described = describeChat(channel)
  if (described.type !== 'channel') return
  const copy: Message = {
    message_id: group.history.claimId(),
    from: TELEGRAM_USER,
    sender_chat: described,
    chat: describeChat(group),
    date: world.date(),
    is_automatic_forward: true,
    forward_origin: originOf(original),
    ...contentOf(original.message),
  }
  original.copy = keep(world, group, copy, { authorId: TELEGRAM_USER.id })
  announce(world, original.copy, 'message')
}

/** Replaces the content and keyboard of a message. The caller has checked that something changes. */
export function rewrite(
  world: World,
  stored: StoredMessage,
  editor: Account,
  content: Content,
  markup: InlineKeyboardMarkup | undefined,
): void {
  const { reply_markup: _, ...identity } = withoutContent(stored.message)
  const next = { ...identity, ...(markup !== undefined && { reply_markup: markup }), ...content }
  restate(world, stored, next, editor)
}

/** Only edits of an editor are logged, not those that keep a copy in step. */
function restate(world: World, stored: StoredMessage, next: Message, editor?: Account): void {
  const before = stored.message
  stored.message = { ...next, edit_date: world.date() }
  stored.order = world.nextOrder()
  if (editor !== undefined) noteEdited(world, stored, before, editor)
  world.show(stored)
  announce(world, stored, stored.chat.kind === 'channel' ? 'edited_channel_post' : 'edited_message')
  const { copy } = stored
  // Keeps the copy in the discussion group in step with the post.
  if (copy !== undefined)
    restate(world, copy, { ...withoutContent(copy.message), ...contentOf(stored.message) })
}

/** Replaces the keyboard of a message, which causes no update. */
export function editMarkup(
  world: World,
  stored: StoredMessage,
  markup: InlineKeyboardMarkup | undefined,
): void {
  const { reply_markup: _, ...rest } = stored.message
  const message = { ...rest, edit_date: world.date() }
  stored.message = markup === undefined ? message : { ...message, reply_markup: markup }
  stored.order = world.nextOrder()
  world.show(stored)
}

/** Deletes a message, which causes no update. */
export function remove(world: World, stored: StoredMessage, by: Account): void {
  noteDeleted(world, stored, by)
  stored.chat.history.remove(stored)
}

type MessageKind = 'message' | 'edited_message' | 'channel_post' | 'edited_channel_post'

function announce(world: World, stored: StoredMessage, kind: MessageKind): void {
  for (const bot of audience(world, stored))
    world.emit(bot, kind, stored.message as NonNullable<Update[MessageKind]>)
}

/**
 * The bots that get an update about a message. A bot gets none about its own messages, nor in groups about those of other bots;
 * but it is notified that a member left even if it removed the member itself (need_skip_update_message in
 * tdlib/telegram-bot-api).
 */
function audience(world: World, stored: StoredMessage): readonly BotAccount[] {
  const { chat, message, authorId, receiverId } = stored
  if (receiverId !== undefined) return world.botsIn(chat).filter(({ id }) => id === receiverId)
  if (chat.kind === 'private')
    return authorId === chat.bot.id && !isToldToItsAuthor(message) ? [] : [chat.bot]
  const bots = world.botsIn(chat)
  const left = message.left_chat_member
  if (left !== undefined) {
    const gone = world.accounts.find(left.id)
    return gone?.kind === 'bot' && !isIn(world.membership(chat, gone.id)) ? [...bots, gone] : bots
  }
  const byBot = world.accounts.find(authorId)?.kind === 'bot'
  if (byBot && isGroup(chat) && !isService(message)) return []
  if (isToldToItsAuthor(message)) return bots
  const others = bots.filter((bot) => bot.id !== authorId)
  return isService(message) ? others : others.filter((bot) => isMeantFor(world, bot, stored))
}

/**
 * True for service messages that the bot gets even if it caused them, which is all but new members (need_skip_update_message, as
 * above).
 */
function isToldToItsAuthor(message: Message): boolean {
  return isService(message) && message.new_chat_members === undefined
}

/** "The Message object in this field will not contain further reply_to_message fields." */
export function withoutReply(message: Message): NonNullable<Message['reply_to_message']> {
  const { reply_to_message: _, ...rest } = message
  return rest as NonNullable<Message['reply_to_message']>
}

const CAPTIONED = ['animation', 'photo', 'video', 'audio', 'document', 'voice'] as const

/** Whether the message can have a caption. */
export function isCaptionable(message: Message): boolean {
  return CAPTIONED.some((name) => message[name] !== undefined)
}
