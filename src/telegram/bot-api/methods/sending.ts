import type { PersonAccount } from '../../world/accounts.js'
import type { StoredMessage, Topic, WorldChat } from '../../world/chats/chats.js'
import { assertOpen, forumOf, topicIdOf, topicOf } from '../../world/chats/topics.js'
import type { Content } from '../../world/messages/content.js'
import { ephemeralReceiverIn } from '../../world/messages/ephemeral.js'
import { post } from '../../world/messages/posting.js'
import { badRequest } from '../../world/refusal.js'
import type { Call } from '../call.js'
import { Params } from '../params.js'
import { markupOf } from './buttons.js'
import { writableChat } from './content.js'
import { answeredBy } from './replying.js'

/**
 * Sends a message as the call asks: to its chat and topic, as a reply, and, unless the method has no such parameter, with buttons
 * and to one receiver only.
 */
export function say(
  call: Call,
  content: Content,
  { hasMarkup = true, mayBeEphemeral = true } = {},
): StoredMessage {
  const chat = writableChat(call, content)
  const isInvoice = content.invoice !== undefined
  const markup = hasMarkup ? markupOf(call.params, { chat, isInvoice }) : { isOnScreen: false }
  const { replyTo, content: shown } = answeredBy(call, chat)
  const receiver = mayBeEphemeral ? ephemeralReceiver(call, chat, replyTo) : undefined
  // A reply that everybody sees would show what only one person was meant to see.
  if (receiver === undefined && replyTo?.receiverId !== undefined)
    throw badRequest('a reply to an ephemeral message must be an ephemeral message')
  return post(call.world, chat, {
    author: call.bot,
    content: {
      ...shown,
      ...content,
      ...givenBy(call, chat),
    },
    replyTo,
    thread: threadOf(call, chat, replyTo),
    receiver,
    replyMarkup: markup.inline,
    changesScreen: markup.isOnScreen,
  })
}

/** The receiver, if the message is ephemeral. */
function ephemeralReceiver(
  { world, bot, params }: Call,
  chat: WorldChat,
  replyTo: StoredMessage | undefined,
): PersonAccount | undefined {
  const given = params.object('ephemeral_message_parameters')
  if (given === undefined) return undefined
  const parameters = Params.of(given)
  const queryId = parameters.text('callback_query_id')
  return ephemeralReceiverIn(world, chat, bot, parameters.integer('receiver_user_id') ?? 0, {
    queryId,
    replyTo,
  })
}

/** What the call adds to any content. */
export function givenBy({ params }: Call, chat: WorldChat): Content {
  // The Bot API server reads a 64-bit number, and takes a text that does not begin with one for zero, which means none.
  const [digits = '0'] = /^-?\d+/.exec(params.text('message_effect_id') ?? '') ?? []
  const effect = BigInt.asIntN(64, BigInt(digits))
  const hasEffect = effect !== 0n
  // As in process_message_send_options of TDLib.
  if (hasEffect && chat.kind !== 'private') throw badRequest("can't use message effects in the chat")
  if (effect < 0n) throw badRequest('EFFECT_ID_INVALID')
  return {
    ...(params.flag('protect_content') && { has_protected_content: true }),
    ...(hasEffect && { effect_id: String(effect) }),
  }
}

/** The topic given in the call, or that of the message replied to. */
export function threadOf(
  { world, bot, params }: Call,
  chat: WorldChat,
  replyTo?: StoredMessage,
): Topic | undefined {
  // Zero means none, as everywhere in Telegram.
  const named = params.integer('message_thread_id') || undefined
  if (chat.kind === 'private' || chat.forum === undefined) {
    // In groups without topics the parameter is ignored (check_message_topic in tdlib/telegram-bot-api).
    if (named !== undefined && chat.kind === 'private') throw badRequest('message thread not found')
    return undefined
  }
  const id = named ?? (replyTo && topicIdOf(replyTo.message))
  const topic = id === undefined ? undefined : topicOf(chat, id)
  assertOpen(world, chat, bot, topic ?? forumOf(chat).general)
  return topic
}
