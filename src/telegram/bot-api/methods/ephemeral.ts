import type { StoredMessage } from '../../world/chats.js'
import { edit, editMarkup, remove } from '../../world/posting.js'
import { badRequest } from '../../world/refusal.js'
import type { Call, Methods } from '../call.js'
import { inlineKeyboard, textContent } from './content.js'
import { notModified, presentChat } from './messages.js'

/** Ephemeral messages have ids of their own, and methods of their own. */
export const ephemeralMethods: Methods = {
  editEphemeralMessageText(call) {
    const content = textContent(call)
    const stored = ephemeralMessage(call, 'message to edit not found')
    const markup = inlineKeyboard(call.params)
    const { text, entities: _, reply_markup, ...rest } = stored.message
    if (text === content.text && JSON.stringify(reply_markup) === JSON.stringify(markup)) throw notModified()
    stored.message = rest
    edit(call.world, stored, content)
    editMarkup(call.world, stored, markup)
    return true
  },

  editEphemeralMessageReplyMarkup(call) {
    const stored = ephemeralMessage(call, 'message to edit not found')
    editMarkup(call.world, stored, inlineKeyboard(call.params))
    return true
  },

  deleteEphemeralMessage(call) {
    remove(ephemeralMessage(call, 'message to delete not found'))
    return true
  },
}

function ephemeralMessage(call: Call, otherwise: string): StoredMessage {
  const { params, bot } = call
  const stored = presentChat(call).history.findEphemeral(params.integer('ephemeral_message_id') ?? 0)
  if (stored?.authorId !== bot.id || stored.receiverId !== params.integer('receiver_user_id'))
    throw badRequest(otherwise)
  return stored
}
