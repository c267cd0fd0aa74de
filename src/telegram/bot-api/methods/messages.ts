import type { Message } from 'grammy/types'
import type { StoredMessage, WorldChat } from '../../world/chats.js'
import { hasRight } from '../../world/members.js'
import { edit, editMarkup, isService, remove } from '../../world/posting.js'
import { badRequest } from '../../world/refusal.js'
import { assertPresent, type Call, chatOf, type Methods, required } from '../call.js'
import { captionContent, inlineKeyboard, textContent, writableChat } from './content.js'
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
])
/** "A message can only be deleted if it was sent less than 48 hours ago." */
const DELETABLE_FOR = 48 * 3_600_000

export const messageMethods: Methods = {
  sendMessage(call) {
    const content = textContent(call)
    return say(call, content).message as Message.TextMessage
  },

  sendChatAction(call) {
    if (!ACTIONS.has(call.params.text('action') ?? '')) throw badRequest('wrong parameter action in request')
    writableChat(call, {})
    return true
  },

  editMessageText(call) {
    const content = textContent(call)
    const stored = editableMessage(call)
    const markup = inlineKeyboard(call.params)
    const { message } = stored
    if (message.text === undefined) throw badRequest('there is no text in the message to edit')
    const before = [message.text, message.entities, message.reply_markup]
    const after = [content.text, content.entities, markup]
    if (JSON.stringify(before) === JSON.stringify(after)) throw notModified()
    const { entities: _, ...withoutEntities } = message
    stored.message = withoutEntities
    edit(call.world, stored, content)
    editMarkup(call.world, stored, markup)
    return stored.message as Message.TextMessage & { edit_date: number }
  },

  editMessageCaption(call) {
    const content = captionContent(call.world, call.params)
    const stored = editableMessage(call)
    const { caption, caption_entities, ...rest } = stored.message
    if (rest.text !== undefined || isWithoutCaption(rest))
      throw badRequest('there is no caption in the message to edit')
    const markup = inlineKeyboard(call.params)
    const before = [caption, caption_entities, rest.reply_markup]
    if (JSON.stringify(before) === JSON.stringify([content.caption, content.caption_entities, markup]))
      throw notModified()
    stored.message = rest
    edit(call.world, stored, content)
    editMarkup(call.world, stored, markup)
    return stored.message as Message.CaptionableMessage & { edit_date: number }
  },

  editMessageReplyMarkup(call) {
    const stored = editableMessage(call)
    const markup = inlineKeyboard(call.params)
    if (JSON.stringify(stored.message.reply_markup) === JSON.stringify(markup)) throw notModified()
    editMarkup(call.world, stored, markup)
    return stored.message as Message & { edit_date: number }
  },

  deleteMessage(call) {
    const chat = presentChat(call)
    const stored = chat.history.find(required(call, 'message_id', 'message identifier is not specified'))
    if (stored === undefined) throw badRequest('message to delete not found')
    if (!mayDelete(call, chat, stored)) throw badRequest("message can't be deleted")
    remove(stored)
    return true
  },

  /** "If some of the specified messages can't be found, they are skipped." */
  deleteMessages(call) {
    const chat = presentChat(call)
    const ids = call.params.list('message_ids') ?? []
    if (ids.length === 0) throw badRequest('message identifiers are not specified')
    if (ids.length > 100) throw badRequest('too many message identifiers specified')
    const found = ids.map((id) => chat.history.find(Number(id))).filter((stored) => stored !== undefined)
    if (!found.every((stored) => mayDelete(call, chat, stored))) throw badRequest("message can't be deleted")
    for (const stored of found) remove(stored)
    return true
  },
}

export function presentChat(call: Call): WorldChat {
  const chat = chatOf(call)
  assertPresent(call, chat)
  return chat
}

/** Bots edit what they wrote, and in channels what they may edit. */
function editableMessage(call: Call): StoredMessage {
  if (call.params.has('inline_message_id')) throw badRequest('MESSAGE_ID_INVALID')
  const chat = presentChat(call)
  const stored = chat.history.find(required(call, 'message_id', 'message identifier is not specified'))
  if (stored === undefined) throw badRequest('message to edit not found')
  const own = stored.authorId === call.bot.id && !isService(stored.message)
  const inChannel =
    chat.kind === 'channel' && hasRight(call.world.membership(chat, call.bot.id), 'can_edit_messages')
  if (!own && !inChannel) throw badRequest("message can't be edited")
  return stored
}

function mayDelete({ world, bot }: Call, chat: WorldChat, stored: StoredMessage): boolean {
  if (world.clock.now() - stored.at >= DELETABLE_FOR) return false
  if (chat.kind === 'private') return true
  const membership = world.membership(chat, bot.id)
  if (hasRight(membership, 'can_delete_messages')) return true
  return stored.authorId === bot.id && (chat.kind !== 'channel' || hasRight(membership, 'can_post_messages'))
}

function isWithoutCaption(message: Message): boolean {
  const { photo, video, document, audio, voice, animation } = message
  return [photo, video, document, audio, voice, animation].every((media) => media === undefined)
}

export function notModified() {
  return badRequest(
    'message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message',
  )
}
