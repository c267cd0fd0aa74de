import type { SharedChat, Topic } from '../../world/chats/chats.js'
import {
  closeTopic,
  createTopic,
  deleteTopic,
  describeTopic,
  editTopic,
  forumOf,
  hideGeneral,
  type TopicLook,
  topicOf,
} from '../../world/chats/topics.js'
import { badRequest } from '../../world/refusal.js'
import { type Call, type Methods, required, sharedChatOf } from '../call.js'

export const topicMethods: Methods = {
  createForumTopic(call) {
    const chat = sharedChatOf(call)
    return describeTopic(createTopic(call.world, chat, call.bot, lookOf(call)))
  },

  editForumTopic(call) {
    const { chat, topic } = chatAndTopic(call)
    editTopic(call.world, chat, call.bot, topic, lookOf(call))
    return true
  },

  closeForumTopic: (call) => close(call, chatAndTopic(call), true),
  reopenForumTopic: (call) => close(call, chatAndTopic(call), false),

  deleteForumTopic(call) {
    const { chat, topic } = chatAndTopic(call)
    deleteTopic(call.world, chat, call.bot, topic)
    return true
  },

  editGeneralForumTopic(call) {
    const { chat, topic } = chatAndGeneral(call)
    if (!call.params.has('name')) throw badRequest('TOPIC_TITLE_EMPTY')
    editTopic(call.world, chat, call.bot, topic, { name: call.params.text('name') })
    return true
  },

  closeGeneralForumTopic: (call) => close(call, chatAndGeneral(call), true),

  reopenGeneralForumTopic(call) {
    const found = chatAndGeneral(call)
    const wasHidden = found.topic.isHidden === true
    close(call, found, false)
    if (wasHidden) hideGeneral(call.world, found.chat, call.bot, false)
    return true
  },

  hideGeneralForumTopic: (call) => hide(call, true),
  unhideGeneralForumTopic: (call) => hide(call, false),
}

interface Found {
  readonly chat: SharedChat
  readonly topic: Topic
}

export function chatAndTopic(call: Call): Found {
  const chat = sharedChatOf(call)
  forumOf(chat)
  const topic = topicOf(chat, required(call, 'message_thread_id', 'message thread not found'))
  return { chat, topic }
}

export function chatAndGeneral(call: Call): Found {
  const chat = sharedChatOf(call)
  return { chat, topic: forumOf(chat).general }
}

function close({ world, bot }: Call, { chat, topic }: Found, toClosed: boolean): true {
  closeTopic(world, chat, bot, topic, toClosed)
  return true
}

function hide(call: Call, toHidden: boolean): true {
  hideGeneral(call.world, sharedChatOf(call), call.bot, toHidden)
  return true
}

function lookOf({ params }: Call): TopicLook {
  return {
    name: params.text('name'),
    iconColor: params.integer('icon_color'),
    iconEmoji: params.text('icon_custom_emoji_id'),
  }
}
