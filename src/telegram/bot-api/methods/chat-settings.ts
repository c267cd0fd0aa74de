import type { ChatPermissions } from 'grammy/types'
import {
  setDescription,
  setPermissions,
  setPhoto,
  setSenderBanned,
  setStickerSet,
  setTitle,
} from '../../world/chats/chat-settings.js'
import type { SharedChat } from '../../world/chats/chats.js'
import { completePermissions } from '../../world/chats/members.js'
import { badRequest } from '../../world/refusal.js'
import { assertPresent, type Call, chatOf, type Methods, required, sharedChatOf } from '../call.js'
import { uploadedPhoto } from './input-files.js'

/** Methods that change a chat's title, description, photo, permissions and sticker set, and ban sender chats. */
export const chatSettingMethods: Methods = {
  setChatTitle(call) {
    const chat = changeableChat(call, 'title')
    setTitle(call.world, chat, call.bot, call.params.text('title') ?? '')
    return true
  },

  setChatDescription(call) {
    const chat = changeableChat(call, 'description')
    setDescription(call.world, chat, call.bot, call.params.text('description') ?? '')
    return true
  },

  setChatPhoto(call) {
    const photo = uploadedPhoto(call, 'photo')
    setPhoto(call.world, changeableChat(call, 'photo'), call.bot, photo)
    return true
  },

  deleteChatPhoto(call) {
    setPhoto(call.world, changeableChat(call, 'photo'), call.bot, undefined)
    return true
  },

  setChatPermissions(call) {
    const given = call.params.object('permissions')
    if (given === undefined) throw badRequest("can't parse permissions JSON object")
    const chat = changeableChat(call, 'permissions')
    const independent = call.params.flag('use_independent_chat_permissions')
    const permissions = completePermissions(given as ChatPermissions, independent)
    setPermissions(call.world, chat, call.bot, permissions)
    return true
  },

  setChatStickerSet(call) {
    const name = call.params.text('sticker_set_name') ?? ''
    const chat = supergroupOf(call)
    if (name === '') throw badRequest('sticker_set_name is empty')
    setStickerSet(call.world, chat, call.bot, name)
    return true
  },

  deleteChatStickerSet(call) {
    setStickerSet(call.world, supergroupOf(call), call.bot, undefined)
    return true
  },

  banChatSenderChat: (call) => setSender(call, true),
  unbanChatSenderChat: (call) => setSender(call, false),
}

function changeableChat(call: Call, what: string): SharedChat {
  const chat = chatOf(call)
  if (chat.kind === 'private') throw badRequest(`can't change private chat ${what}`)
  assertPresent(call, chat)
  return chat
}

function supergroupOf(call: Call): SharedChat {
  const chat = chatOf(call)
  if (chat.kind !== 'supergroup') throw badRequest('method is available only for supergroups')
  assertPresent(call, chat)
  return chat
}

function setSender(call: Call, banned: boolean): true {
  if (!call.params.has('sender_chat_id')) throw badRequest('sender_chat_id is empty')
  const senderId = required(call, 'sender_chat_id', 'sender_chat_id is not a valid Integer')
  const chat = sharedChatOf(call)
  if (chat.kind === 'group') throw badRequest("can't restrict the chat")
  setSenderBanned(call.world, chat, call.bot, senderId, banned)
  return true
}
