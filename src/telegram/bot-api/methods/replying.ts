import type { Message } from 'grammy/types'
import { describeChat, type StoredMessage, type WorldChat } from '../../world/chats/chats.js'
import type { Content } from '../../world/messages/content.js'
import { answerableEphemeral } from '../../world/messages/ephemeral.js'
import { contentOf, originOf } from '../../world/messages/forwarding.js'
import { badRequest } from '../../world/refusal.js'
import { type Call, presentChat } from '../call.js'
import { Params } from '../params.js'
import { formattedText } from './content.js'

/** The reply of a message: to a message of the same chat (`replyTo`) or of another (in `content`), and a quote if any. */
interface Answered {
  readonly replyTo?: StoredMessage | undefined
  readonly content: Content
}

/** "1-1024 characters after entities parsing" (ReplyParameters). */
const LONGEST_QUOTE = 1024

export function answeredBy(call: Call, chat: WorldChat): Answered {
  const { params } = call
  const parameters = Params.of(params.object('reply_parameters') ?? {})
  const messageId = parameters.integer('message_id') ?? params.integer('reply_to_message_id')
  const ephemeralId = parameters.integer('ephemeral_message_id')
  if (messageId === undefined && ephemeralId === undefined) return { content: {} }
  const place = parameters.has('chat_id') ? presentChat({ ...call, params: parameters }) : chat
  const found =
    ephemeralId === undefined
      ? place.history.find(messageId as number)
      : answerableEphemeral(call.world, place, call.bot, ephemeralId)
  if (found === undefined) {
    // "Always False for … sent ephemeral messages."
    const isEphemeral = ephemeralId !== undefined || params.has('ephemeral_message_parameters')
    const forgiving =
      parameters.flag('allow_sending_without_reply') || params.flag('allow_sending_without_reply')
    if (!forgiving || isEphemeral) throw badRequest('message to be replied not found')
    return { content: {} }
  }
  const quote = quoteOf(call, parameters, found.message)
  if (place === chat) return { replyTo: found, content: quote }
  return { content: { external_reply: externally(found), ...quote } }
}

const NOT_SHOWN: ReadonlySet<string> = new Set([
  'text',
  'entities',
  'caption',
  'caption_entities',
  'media_group_id',
])

/** Describes a message of another chat: its origin, and its content except the text. */
function externally(stored: StoredMessage): NonNullable<Message['external_reply']> {
  const shown = Object.entries(contentOf(stored.message)).filter(([name]) => !NOT_SHOWN.has(name))
  const chat = describeChat(stored.chat)
  return {
    origin: originOf(stored),
    ...(chat.type !== 'private' && { chat, message_id: stored.message.message_id }),
    ...Object.fromEntries(shown),
  }
}

/** The quote, which must occur in the message, preferably at the given position. */
function quoteOf({ world }: Call, parameters: Params, { text, caption }: Message): Pick<Content, 'quote'> {
  if (!parameters.has('quote')) return {}
  const quote = formattedText(world, parameters, 'quote', LONGEST_QUOTE)
  const whole = text ?? caption ?? ''
  const wanted = parameters.integer('quote_position') ?? 0
  const position = whole.startsWith(quote.text, wanted) ? wanted : whole.indexOf(quote.text)
  if (quote.text === '' || position === -1) throw badRequest('QUOTE_TEXT_INVALID')
  const entities = quote.entities.length > 0 && { entities: [...quote.entities] }
  return { quote: { text: quote.text, ...entities, position, is_manual: true } }
}
