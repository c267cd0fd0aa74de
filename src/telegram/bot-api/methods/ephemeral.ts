import type { StoredMessage } from '../../world/chats/chats.js'
import { editMarkup, remove } from '../../world/messages/posting.js'
import { badRequest } from '../../world/refusal.js'
import { type Call, type Methods, presentChat } from '../call.js'
import { textContent } from './content.js'
import { buttonsFor, change, recaptioned } from './editing.js'
import { mediaItem } from './media.js'

/** Methods for ephemeral messages, which have ids of their own. */
export const ephemeralMethods: Methods = {
  editEphemeralMessageText(call) {
    const content = textContent(call)
    const stored = ephemeralMessage(call, 'message to edit not found')
    if (stored.message.text === undefined) throw badRequest('there is no text in the message to edit')
    change(call, stored, content)
    return true
  },

  editEphemeralMessageCaption(call) {
    const stored = ephemeralMessage(call, 'message to edit not found')
    change(call, stored, recaptioned(call, stored))
    return true
  },

  editEphemeralMessageMedia(call) {
    const given = call.params.object('media')
    if (given === undefined) throw badRequest('parameter "media" is required')
    const { content } = mediaItem(call, given, false)
    change(call, ephemeralMessage(call, 'message to edit not found'), content)
    return true
  },

  editEphemeralMessageReplyMarkup(call) {
    const stored = ephemeralMessage(call, 'message to edit not found')
    editMarkup(call.world, stored, buttonsFor(call, stored))
    return true
  },

  deleteEphemeralMessage(call) {
    remove(call.world, ephemeralMessage(call, 'message to delete not found'), call.bot)
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
