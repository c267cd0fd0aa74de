import type { Message } from 'grammy/types'
import type { StoredMessage, WorldChat } from '../../world/chats/chats.js'
import { hasRight } from '../../world/chats/members.js'
import { remove } from '../../world/messages/posting.js'
import { badRequest } from '../../world/refusal.js'
import { type Call, type Methods, messageIn, presentChat } from '../call.js'
import { textContent, writableChat } from './content.js'
import { say } from './sending.js'

const ACTIONS = new Set([
  'typing',
  'upload_photo',
  'record_video',
  'upload_video',
  'record_voice',
  'upload_voice',
  'upload_document',
  'choose_sticker',
  'find_location',
  'record_video_note',
  'upload_video_note',
  // Also accepted, partly as former names of actions, in upper or lower case (process_send_chat_action_query in Client.cpp).
  'cancel',
  'record_audio',
  'upload_audio',
  'pick_up_location',
])
/** "A message can only be deleted if it was sent less than 48 hours ago." */
const DELETABLE_FOR = 48 * 3_600_000

export const messageMethods: Methods = {
  sendMessage(call) {
    const content = textContent(call)
    return say(call, content).message as Message.TextMessage
  },

  sendChatAction(call) {
    const action = call.params.text('action') ?? ''
    if (!ACTIONS.has(action.toLowerCase())) throw badRequest('wrong parameter action in request')
    writableChat(call, {})
    return true
  },

  deleteMessage(call) {
    const chat = presentChat(call)
    const stored = messageIn(call, chat, 'message to delete not found')
    assertDeletable(call, chat, stored)
    remove(call.world, stored, call.bot)
    return true
  },

  /** "If some of the specified messages can't be found, they are skipped." */
  deleteMessages(call) {
    const chat = presentChat(call)
    const ids = call.params.list('message_ids') ?? []
    if (ids.length === 0) throw badRequest('message identifiers are not specified')
    if (ids.length > 100) throw badRequest('too many message identifiers specified')
    const found = ids.map((id) => chat.history.find(Number(id))).filter((stored) => stored !== undefined)
    for (const stored of found) assertDeletable(call, chat, stored)
    for (const stored of found) remove(call.world, stored, call.bot)
    return true
  },
}

/** "A dice message in a private chat can only be deleted if it was sent more than 24 hours ago." */
const DICE_STAYS_FOR = 24 * 3_600_000

function assertDeletable(call: Call, chat: WorldChat, stored: StoredMessage): void {
  if (!mayDelete(call, chat, stored)) throw badRequest("message can't be deleted")
  const age = call.world.clock.now() - stored.at
  if (chat.kind === 'private' && stored.message.dice !== undefined && age < DICE_STAYS_FOR)
    throw badRequest("message can't be deleted for everyone")
}

function mayDelete({ world, bot }: Call, chat: WorldChat, stored: StoredMessage): boolean {
  if (world.clock.now() - stored.at >= DELETABLE_FOR) return false
  const { forum_topic_created, supergroup_chat_created, channel_chat_created } = stored.message
  if ((forum_topic_created ?? supergroup_chat_created ?? channel_chat_created) !== undefined) return false
  if (chat.kind === 'private') return true
  const membership = world.membership(chat, bot.id)
  if (hasRight(membership, 'can_delete_messages')) return true
  return stored.authorId === bot.id && (chat.kind !== 'channel' || hasRight(membership, 'can_post_messages'))
}
