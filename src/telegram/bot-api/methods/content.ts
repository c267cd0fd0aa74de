import type { InlineKeyboardMarkup, LinkPreviewOptions, MessageEntity } from 'grammy/types'
import type { PersonAccount } from '../../world/accounts.js'
import type { StoredMessage, WorldChat } from '../../world/chats.js'
import { parseFormatted, settleText } from '../../world/formatting.js'
import type { Parsed } from '../../world/markdown.js'
import { type Content, LONGEST_CAPTION, LONGEST_TEXT } from '../../world/posting.js'
import { badRequest } from '../../world/refusal.js'
import { assertMaySpeak } from '../../world/speaking.js'
import type { World } from '../../world/world.js'
import { assertPresent, type Call, chatOf } from '../call.js'
import { Params } from '../params.js'

/** The chat a bot wants to write to, after all that may speak against this content there. */
export function writableChat(call: Call, content: Content): WorldChat {
  const chat = chatOf(call)
  assertPresent(call, chat)
  assertMaySpeak(call.world, chat, call.bot, { content })
  return chat
}

/** A text with its entities, whichever format it came in. */
export function formattedText(world: World, params: Params, name: string, longest: number): Parsed {
  const mode = params.text(name === 'text' || name === 'caption' ? 'parse_mode' : `${name}_parse_mode`) ?? ''
  const entities = name === 'text' ? 'entities' : `${name}_entities`
  const given = mode === '' ? (params.list(entities) ?? []) : []
  const findUser = (id: number) => world.accounts.find(id)?.user
  const parsed = parseFormatted(params.text(name) ?? '', mode, given as MessageEntity[], findUser)
  // Measured before entities are looked for: a body may hold 50 MB of text.
  if (parsed.text.trim().length > longest) throw badRequest(TOO_LONG.get(name) ?? `${name} is too long`)
  return settleText(parsed)
}

const TOO_LONG = new Map([
  ['text', 'message is too long'],
  ['caption', 'message caption is too long'],
])

export function textContent({ world, params }: Call): Content & { readonly text: string } {
  const { text, entities } = formattedText(world, params, 'text', LONGEST_TEXT)
  if (text === '') throw badRequest('message text is empty')
  const preview = params.object('link_preview_options')
  return {
    text,
    ...(entities.length > 0 && { entities }),
    ...(preview !== undefined && { link_preview_options: preview as LinkPreviewOptions }),
  }
}

export function captionContent(
  world: World,
  params: Params,
): { caption?: string; caption_entities?: MessageEntity[] } {
  const { text, entities } = formattedText(world, params, 'caption', LONGEST_CAPTION)
  if (text === '') return {}
  return { caption: text, ...(entities.length > 0 && { caption_entities: entities }) }
}

/** Only an inline keyboard belongs to the message; the other markups live on the person's screen. */
export function inlineKeyboard(params: Params): InlineKeyboardMarkup | undefined {
  const markup = params.object('reply_markup')
  if (markup === undefined || !('inline_keyboard' in markup)) return undefined
  const rows = markup.inline_keyboard
  if (!Array.isArray(rows) || !rows.every(Array.isArray))
    throw badRequest("can't parse inline keyboard: expected an Array of Arrays")
  for (const button of rows.flat() as Record<string, unknown>[]) {
    if (typeof button.text !== 'string' || button.text.trim() === '')
      throw badRequest(
        "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
      )
    const data = button.callback_data
    if (data !== undefined && (typeof data !== 'string' || data === '' || Buffer.byteLength(data) > 64))
      throw badRequest('BUTTON_DATA_INVALID')
    if (Object.keys(button).every((key) => ['text', 'style', 'icon_custom_emoji_id'].includes(key)))
      throw badRequest(
        "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
      )
  }
  if (rows.length === 0) return undefined
  return { inline_keyboard: rows.map((row) => row.map(knownButton)) } as InlineKeyboardMarkup
}

const BUTTON_FIELDS: ReadonlySet<string> = new Set([
  'text',
  'style',
  'icon_custom_emoji_id',
  'url',
  'callback_data',
  'web_app',
  'login_url',
  'switch_inline_query',
  'switch_inline_query_current_chat',
  'switch_inline_query_chosen_chat',
  'copy_text',
  'callback_game',
  'pay',
])

/** Telegram passes over what it does not know; telegraf, for one, leaves a mark of its own on each button. */
function knownButton(button: object): object {
  return Object.fromEntries(Object.entries(button).filter(([name]) => BUTTON_FIELDS.has(name)))
}

export function repliedMessage({ params }: Call, chat: WorldChat): StoredMessage | undefined {
  const parameters = new Params(new Map(Object.entries(params.object('reply_parameters') ?? {})))
  const messageId = parameters.integer('message_id') ?? params.integer('reply_to_message_id')
  const ephemeralId = parameters.integer('ephemeral_message_id')
  if (messageId === undefined && ephemeralId === undefined) return undefined
  const found =
    ephemeralId === undefined
      ? chat.history.find(messageId as number)
      : chat.history.findEphemeral(ephemeralId)
  const forgiving =
    parameters.flag('allow_sending_without_reply') || params.flag('allow_sending_without_reply')
  if (found === undefined && !forgiving) throw badRequest('message to be replied not found')
  return found
}

/** Who alone will see the message, if it is an ephemeral one. */
export function ephemeralReceiver({ world, bot, params }: Call, chat: WorldChat): PersonAccount | undefined {
  const given = params.object('ephemeral_message_parameters')
  if (given === undefined) return undefined
  const parameters = new Params(new Map(Object.entries(given)))
  const receiver = world.accounts.find(parameters.integer('receiver_user_id') ?? 0)
  if (receiver?.kind !== 'person') throw badRequest('user not found')
  if (chat.kind !== 'supergroup') throw badRequest('ephemeral messages can be sent only in groups')
  const queryId = parameters.text('callback_query_id')
  if (queryId !== undefined && !world.callbackQueries.isOpen(queryId, bot.id))
    throw badRequest('query is too old and response timeout expired or query ID is invalid')
  return receiver
}
