import type { InlineKeyboardMarkup, Message } from 'grammy/types'
import type { StoredMessage } from '../../world/chats/chats.js'
import { hasRight } from '../../world/chats/members.js'
import type { Content } from '../../world/messages/content.js'
import { contentOf } from '../../world/messages/forwarding.js'
import { editMarkup, isCaptionable, rewrite } from '../../world/messages/posting.js'
import { isService } from '../../world/messages/service-messages.js'
import { badRequest } from '../../world/refusal.js'
import { type Call, type Methods, messageIn, presentChat } from '../call.js'
import { inlineKeyboard } from './buttons.js'
import { textContent } from './content.js'
import { captionOf, mediaItem } from './media.js'
import { FOREVER, locationOf } from './things.js'

type Edited<Sort> = Sort & { edit_date: number }

/** Methods for editing. Bots can edit their own messages, messages sent by way of them, and channel posts given the right to. */
export const editingMethods: Methods = {
  editMessageText(call) {
    const content = textContent(call)
    const stored = editableMessage(call)
    if (stored.message.text === undefined) throw badRequest('there is no text in the message to edit')
    return change(call, stored, content) as true | Edited<Message.TextMessage>
  },

  editMessageCaption(call) {
    const stored = editableMessage(call)
    return change(call, stored, recaptioned(call, stored)) as true | Edited<Message.CaptionableMessage>
  },

  /** Media can replace media or a text; in an album only with a kind that fits the others. */
  editMessageMedia(call) {
    const given = call.params.object('media')
    if (given === undefined) throw badRequest('parameter "media" is required')
    const item = mediaItem(call, given, false)
    const stored = editableMessage(call)
    const former = kindIn(stored.message)
    if (former === undefined && stored.message.text === undefined)
      throw badRequest("message media can't be edited")
    const album = stored.message.media_group_id
    if (album !== undefined && former !== item.kind) {
      if (item.kind === 'animation') throw badRequest("message content type can't be used in an album")
      if ([former, item.kind].some((kind) => kind === 'audio' || kind === 'document'))
        throw badRequest("can't change media type in the album")
    }
    const content = { ...item.content, ...(album !== undefined && { media_group_id: album }) }
    return change(call, stored, content) as true | Edited<Message>
  },

  editMessageReplyMarkup(call) {
    const stored = editableMessage(call, true)
    const markup = buttonsFor(call, stored)
    if (JSON.stringify(stored.message.reply_markup) === JSON.stringify(markup)) throw notModified()
    editMarkup(call.world, stored, markup)
    return answer(call, stored) as true | Edited<Message>
  },

  editMessageLiveLocation(call) {
    const location = locationOf(call.params, true)
    const stored = editableMessage(call)
    const period = liveLocationIn(call, stored)
    const asked = call.params.integer('live_period')
    const content = { location: { ...location, live_period: asked ?? period } }
    return change(call, stored, content) as true | Edited<Message.LocationMessage>
  },

  stopMessageLiveLocation(call) {
    const stored = editableMessage(call)
    liveLocationIn(call, stored)
    const { live_period: _, ...location } = stored.message.location as Message.LocationMessage['location']
    return change(call, stored, { location }) as true | Edited<Message.LocationMessage>
  },
}

/** The message that the call refers to: a chat message, or one sent by way of the bot. */
function editableMessage(call: Call, isOnlyMarkup = false): StoredMessage {
  const { params, world, bot } = call
  if (!params.has('chat_id') && !params.has('message_id')) {
    const id = params.text('inline_message_id') ?? ''
    if (id === '') throw badRequest('message identifier is not specified')
    const inline = world.inlineMessages.get(id)
    if (inline?.viaBotId !== bot.id) throw badRequest('MESSAGE_ID_INVALID')
    return inline
  }
  const chat = presentChat(call)
  const stored = messageIn(call, chat, 'message to edit not found')
  const { message } = stored
  // See can_edit_message in td/telegram/MessagesManager.cpp: of a poll only the buttons can be edited.
  const isFixed =
    isService(message) ||
    message.forward_origin !== undefined ||
    stored.changesScreen === true ||
    (message.poll !== undefined && !isOnlyMarkup)
  const own = stored.authorId === bot.id
  const inChannel = chat.kind === 'channel' && hasRight(world.membership(chat, bot.id), 'can_edit_messages')
  if (isFixed || (!own && !inChannel)) throw badRequest("message can't be edited")
  return stored
}

/** Replaces the content of a message; if the call has no keyboard, the message loses its own. */
export function change(call: Call, stored: StoredMessage, content: Content): true | Message {
  const markup = buttonsFor(call, stored)
  if (isSame(stored.message, content, markup)) throw notModified()
  rewrite(call.world, stored, call.bot, content, markup)
  return answer(call, stored)
}

export function buttonsFor({ params }: Call, { chat, message }: StoredMessage) {
  return inlineKeyboard(params, { chat, isInvoice: message.invoice !== undefined })
}

/** The content of a message with the caption from the call. */
export function recaptioned(call: Call, stored: StoredMessage): Content {
  const {
    caption: _,
    caption_entities: __,
    show_caption_above_media: ___,
    ...rest
  } = contentOf(stored.message)
  if (!isCaptionable(stored.message)) throw badRequest('there is no caption in the message to edit')
  return { ...rest, ...captionOf(call, call.params) }
}

function isSame(message: Message, content: Content, markup: InlineKeyboardMarkup | undefined): boolean {
  const sorted = (some: Content) => Object.entries(some).sort(([a], [b]) => (a < b ? -1 : 1))
  const before = [sorted(contentOf(message)), message.reply_markup ?? null]
  return JSON.stringify(before) === JSON.stringify([sorted(content), markup ?? null])
}

/** "If the edited message is not an inline message, the edited Message is returned, otherwise True." */
function answer(call: Call, stored: StoredMessage): true | Message {
  return call.params.has('inline_message_id') && !call.params.has('chat_id') ? true : stored.message
}

const KINDS = ['animation', 'photo', 'video', 'audio', 'document'] as const

function kindIn(message: Message): (typeof KINDS)[number] | undefined {
  return KINDS.find((kind) => message[kind] !== undefined)
}

function liveLocationIn({ world }: Call, { message, at }: StoredMessage): number {
  const period = message.location?.live_period
  if (message.venue !== undefined || message.location === undefined || period === undefined)
    throw badRequest('there is no live location in the message to edit')
  if (period !== FOREVER && world.clock.now() >= at + period * 1000)
    throw badRequest("message can't be edited")
  return period
}

function notModified() {
  return badRequest(
    'message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message',
  )
}
