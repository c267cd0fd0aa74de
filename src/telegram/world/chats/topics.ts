import type { ForumTopic, Message } from 'grammy/types'
import type { Account } from '../accounts.js'
import type { Content } from '../messages/content.js'
import { post } from '../messages/posting.js'
import { badRequest } from '../refusal.js'
import type { World } from '../world.js'
import type { Forum, SharedChat, StoredMessage, Topic } from './chats.js'
import { mayManage } from './members.js'
import { assertRight } from './membership.js'

/** The icon colors that the Bot API allows (createForumTopic). */
const COLORS = [0x6fb9f0, 0xffd67e, 0xcb86db, 0x8eee98, 0xff93b2, 0xfb6f5f] as const
const LONGEST_NAME = 128
/** Maximum number of topics per forum, so that memory stays bounded. */
const MOST_TOPICS = 10_000

export interface TopicLook {
  readonly name?: string | undefined
  readonly iconColor?: number | undefined
  /** An empty string means no icon. */
  readonly iconEmoji?: string | undefined
}

export function forumOf(chat: SharedChat): Forum {
  if (chat.forum === undefined) throw badRequest('the chat is not a forum')
  return chat.forum
}

export function topicOf(chat: SharedChat, threadId: number): Topic {
  const topic = chat.forum?.topics.get(threadId)
  if (topic === undefined) throw badRequest('message thread not found')
  return topic
}

/** Creates a topic with a service message, whose id becomes the topic's id. */
export function createTopic(world: World, chat: SharedChat, author: Account, look: TopicLook): Topic {
  const forum = forumOf(chat)
  if (!mayManageTopics(world, chat, author)) throw badRequest('not enough rights to create a topic')
  if (forum.topics.size >= MOST_TOPICS) throw badRequest('too many topics')
  const name = checkedName(look.name ?? '')
  const color = look.iconColor ?? COLORS[0]
  if (!COLORS.some((known) => known === color)) throw badRequest('invalid icon color specified')
  const emoji = look.iconEmoji === '' ? undefined : look.iconEmoji
  const shown = { name, icon_color: color, ...(emoji !== undefined && { icon_custom_emoji_id: emoji }) }
  const { message } = post(world, chat, {
    author,
    content: { forum_topic_created: shown },
    thread: 'new',
  })
  const topic: Topic = { id: message.message_id, creatorId: author.id, name, color, emoji, isClosed: false }
  forum.topics.set(topic.id, topic)
  return topic
}

/** @throws Refusal TOPIC_NOT_MODIFIED if nothing changes. */
export function editTopic(
  world: World,
  chat: SharedChat,
  author: Account,
  topic: Topic,
  look: TopicLook,
): void {
  assertMayChange(world, chat, author, topic)
  // An empty name keeps the name; an empty icon removes the icon.
  const name = look.name === undefined || look.name === '' ? topic.name : checkedName(look.name)
  const emoji = look.iconEmoji === undefined ? topic.emoji : look.iconEmoji || undefined
  const edited = {
    ...(name !== topic.name && { name }),
    ...(emoji !== topic.emoji && { icon_custom_emoji_id: emoji ?? '' }),
  }
  if (Object.keys(edited).length === 0) throw badRequest('TOPIC_NOT_MODIFIED')
  topic.name = name
  topic.emoji = emoji
  tell(world, chat, author, topic, { forum_topic_edited: edited })
}

export function closeTopic(
  world: World,
  chat: SharedChat,
  author: Account,
  topic: Topic,
  close: boolean,
): void {
  assertMayChange(world, chat, author, topic)
  if (topic.isClosed === close) throw badRequest('TOPIC_NOT_MODIFIED')
  topic.isClosed = close
  tell(world, chat, author, topic, close ? { forum_topic_closed: {} } : { forum_topic_reopened: {} })
}

/** Hides or shows the General topic. Hiding also closes it. */
export function hideGeneral(world: World, chat: SharedChat, author: Account, hide: boolean): void {
  const { general } = forumOf(chat)
  assertMayChange(world, chat, author, general)
  if ((general.isHidden === true) === hide) throw badRequest('TOPIC_NOT_MODIFIED')
  general.isHidden = hide
  if (hide) general.isClosed = true
  const content = hide ? { general_forum_topic_hidden: {} } : { general_forum_topic_unhidden: {} }
  tell(world, chat, author, general, content)
}

/** Deletes a topic and all messages in it. */
export function deleteTopic(world: World, chat: SharedChat, author: Account, topic: Topic): void {
  assertRight(world, chat, author, 'can_delete_messages', 'not enough rights to delete the topic')
  chat.forum?.topics.delete(topic.id)
  for (const stored of messagesIn(chat, topic)) chat.history.remove(stored)
}

export function messagesIn(chat: SharedChat, topic: Topic): readonly StoredMessage[] {
  const id = isGeneral(topic) ? undefined : topic.id
  return chat.history.all().filter(({ message }) => topicIdOf(message) === id)
}

/** Checks whether somebody may write in the topic. Closed topics are open to their creator and to those who can manage topics. */
export function assertOpen(world: World, chat: SharedChat, author: Account, topic: Topic): void {
  if (topic.isClosed && topic.creatorId !== author.id && !mayManageTopics(world, chat, author))
    throw badRequest('TOPIC_CLOSED')
}

export function describeTopic(topic: Topic): ForumTopic {
  return {
    message_thread_id: topic.id,
    name: topic.name,
    icon_color: topic.color,
    ...(topic.emoji !== undefined && { icon_custom_emoji_id: topic.emoji }),
  }
}

/** The id of the topic of a message; undefined in the General topic, and in groups without topics. */
export function topicIdOf({
  is_topic_message: isInTopic,
  message_thread_id: id,
}: Message): number | undefined {
  return isInTopic === true ? id : undefined
}

export function topicOfMessage({ chat, message }: StoredMessage): Topic | undefined {
  const id = topicIdOf(message)
  return id === undefined || chat.kind === 'private' ? undefined : chat.forum?.topics.get(id)
}

function isGeneral(topic: Topic): boolean {
  return topic.id === GENERAL_ID
}

/** The General topic's id inside Telegram; the Bot API does not accept it. */
const GENERAL_ID = 1

export function newForum(): Forum {
  const general: Topic = {
    id: GENERAL_ID,
    creatorId: undefined,
    name: 'General',
    color: COLORS[0],
    emoji: undefined,
    isClosed: false,
    isHidden: false,
  }
  return { topics: new Map(), general }
}

function tell(world: World, chat: SharedChat, author: Account, topic: Topic, content: Content): void {
  post(world, chat, { author, content, ...(!isGeneral(topic) && { thread: topic }) })
}

function checkedName(name: string): string {
  const trimmed = name.trim()
  if (trimmed === '') throw badRequest('TOPIC_TITLE_EMPTY')
  if (trimmed.length > LONGEST_NAME) throw badRequest('topic name is too long')
  return trimmed
}

/** A topic can be changed by its creator and by those who can manage topics. */
function assertMayChange(world: World, chat: SharedChat, author: Account, topic: Topic): void {
  if (topic.creatorId !== author.id && !mayManageTopics(world, chat, author))
    throw badRequest('not enough rights to edit the topic')
}

function mayManageTopics(world: World, chat: SharedChat, account: Account): boolean {
  return mayManage(chat, world.membership(chat, account.id), 'can_manage_topics')
}
