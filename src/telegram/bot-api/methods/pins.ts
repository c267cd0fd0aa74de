import { pin, pinnedIn, unpin } from '../../world/chats/pins.js'
import { messagesIn } from '../../world/chats/topics.js'
import { badRequest } from '../../world/refusal.js'
import { type Call, type Methods, messageIn, presentChat } from '../call.js'
import { chatAndGeneral, chatAndTopic } from './topics.js'

export const pinMethods: Methods = {
  pinChatMessage(call) {
    const chat = presentChat(call)
    pin(call.world, messageIn(call, chat, 'message to pin not found'), call.bot)
    return true
  },

  /** Without a message id, unpins the latest pinned message. */
  unpinChatMessage(call) {
    const chat = presentChat(call)
    const id = call.params.integer('message_id')
    const stored = id === undefined ? pinnedIn(chat)[0] : chat.history.find(id)
    if (stored === undefined) throw badRequest('message to unpin not found')
    unpin(call.world, chat, call.bot, [stored])
    return true
  },

  unpinAllChatMessages(call) {
    const chat = presentChat(call)
    unpin(call.world, chat, call.bot, pinnedIn(chat))
    return true
  },

  unpinAllForumTopicMessages: (call) => unpinTopic(call, chatAndTopic(call)),
  unpinAllGeneralForumTopicMessages: (call) => unpinTopic(call, chatAndGeneral(call)),
}

function unpinTopic(call: Call, { chat, topic }: ReturnType<typeof chatAndTopic>): true {
  unpin(call.world, chat, call.bot, messagesIn(chat, topic))
  return true
}
