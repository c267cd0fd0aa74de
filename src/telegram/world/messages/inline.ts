import { randomBytes } from 'node:crypto'
import type { BotAccount, PersonAccount } from '../accounts.js'
import type { SharedChat, StoredMessage, Topic, WorldChat } from '../chats/chats.js'
import { isAllowed } from '../chats/visitors.js'
import { badRequest } from '../refusal.js'
import type { World } from '../world.js'
import type { InlineChoice } from './content.js'
import { post } from './posting.js'
import { assertMaySpeak } from './speaking.js'

/** Who picks a result, and where it is sent. */
interface Picking {
  readonly bot: BotAccount
  readonly person: PersonAccount
  readonly query: string
  readonly chat: WorldChat
  readonly onBehalfOf?: SharedChat | undefined
  readonly thread?: Topic | undefined
}

/**
 * Sends a result of an inline query in the person's name, by way of the bot. The bot is notified of the choice; if the message
 * has a keyboard, the bot gets an `inline_message_id` with which it can edit the message.
 */
export function pickResult(world: World, picking: Picking, choice: InlineChoice): StoredMessage {
  const { bot, person, chat, query } = picking
  assertMaySpeak(world, chat, person, { content: choice.content, voice: picking.onBehalfOf })
  if (chat.kind !== 'private') {
    const may = isAllowed(world, chat, person.id, 'can_send_other_messages')
    if (!may) throw badRequest('CHAT_SEND_INLINE_FORBIDDEN')
  }
  const stored = post(world, chat, {
    author: person,
    content: choice.content,
    viaBot: bot,
    replyMarkup: choice.markup,
    onBehalfOf: picking.onBehalfOf,
    thread: picking.thread,
  })
  if (choice.payload !== undefined) world.invoicePayloads.set(stored, choice.payload)
  const inlineId = choice.markup === undefined ? undefined : randomBytes(20).toString('base64url')
  if (inlineId !== undefined) world.inlineMessages.keep(inlineId, stored)
  if (bot.hasInlineFeedback)
    world.emit(bot, 'chosen_inline_result', {
      result_id: choice.id,
      from: person.user,
      query,
      ...(inlineId !== undefined && { inline_message_id: inlineId }),
    })
  return stored
}

/** The id with which the bot can edit a message sent by way of it. */
export function inlineIdOf(world: World, stored: StoredMessage): string | undefined {
  return stored.viaBotId === undefined ? undefined : world.inlineMessages.idOf(stored)
}
