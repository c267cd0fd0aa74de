import type { WorldChat } from '../../world/chats/chats.js'
import { badRequest } from '../../world/refusal.js'
import { wrongUrl } from '../../world/text/links.js'

type Fields = Readonly<Record<string, unknown>>

const PARSING = "can't parse inline keyboard button: "
const STYLES: ReadonlySet<string> = new Set(['primary', 'danger', 'success'])
const CHOSEN = ['allow_user_chats', 'allow_bot_chats', 'allow_group_chats', 'allow_channel_chats'] as const
const LONGEST_DATA = 64
/** "1-256 characters" (CopyTextButton). */
const LONGEST_COPIED = 256

/**
 * Reads a button into the form that Telegram shows, with its fields in a fixed order (JsonInlineKeyboardButton in
 * tdlib/telegram-bot-api). Buttons without text and unknown fields are dropped: telegraf, for example, adds a field of its own to
 * each button.
 */
export function readButton(given: unknown, place: ButtonPlace): Fields | undefined {
  if (typeof given !== 'object' || given === null)
    throw badRequest(`${PARSING}InlineKeyboardButton must be an Object`)
  const button = given as Fields
  const text = textIn(button, 'text')
  const icon = textIn(button, 'icon_custom_emoji_id')
  const style = textIn(button, 'style').toLowerCase()
  if (style !== '' && style !== 'default' && !STYLES.has(style))
    throw badRequest(`${PARSING}invalid button style specified`)
  const kind = KINDS.find(({ isMeant }) => isMeant(button))
  if (kind === undefined) throw badRequest(`${PARSING}Text buttons are unallowed in the inline keyboard`)
  if (text === '' && icon === '') return undefined
  if (text.trim() === '') throw badRequest('BUTTON_TEXT_INVALID')
  return {
    text,
    ...(icon !== '' && { icon_custom_emoji_id: icon }),
    ...(STYLES.has(style) && { style }),
    ...kind.read(button, place),
  }
}

interface Kind {
  readonly isMeant: (button: Fields) => boolean
  readonly read: (button: Fields, place: ButtonPlace) => Fields
}

const has = (name: string) => (button: Fields) => button[name] !== undefined && button[name] !== null
const says = (name: string) => (button: Fields) => textIn(button, name) !== ''

/** The kinds of buttons; if a button fits several, the first one counts (get_inline_keyboard_button_type). */
const KINDS: readonly Kind[] = [
  { isMeant: says('url'), read: (button) => ({ url: urlIn(button, 'URL') }) },
  { isMeant: says('callback_data'), read: (button) => ({ callback_data: dataIn(button) }) },
  {
    isMeant: has('callback_game'),
    // Only allowed in game messages, which are not supported.
    read: () => {
      throw badRequest('BUTTON_TYPE_INVALID')
    },
  },
  { isMeant: has('pay'), read: () => ({ pay: true }) },
  {
    isMeant: has('switch_inline_query'),
    read: (button, place) => switching('switch_inline_query', textIn(button, 'switch_inline_query'), place),
  },
  { isMeant: has('switch_inline_query_chosen_chat'), read: chosenIn },
  {
    isMeant: has('switch_inline_query_current_chat'),
    read(button, place) {
      const name = 'switch_inline_query_current_chat'
      return switching(name, textIn(button, name), place)
    },
  },
  {
    // "login_url buttons are represented as ordinary url buttons" (Message).
    isMeant: has('login_url'),
    read: (button) => ({ url: urlIn(within(button, 'login_url'), 'login URL', true) }),
  },
  {
    isMeant: has('web_app'),
    read(button, { chat }) {
      const url = urlIn(within(button, 'web_app'), 'Web App URL', true)
      // "Available only in private chats between a user and the bot."
      if (chat?.kind !== 'private') throw badRequest('BUTTON_TYPE_INVALID')
      return { web_app: { url } }
    },
  },
  {
    isMeant: has('copy_text'),
    read(button) {
      const text = textIn(within(button, 'copy_text'), 'text')
      if (text === '' || text.length > LONGEST_COPIED) throw badRequest('BUTTON_COPY_TEXT_INVALID')
      return { copy_text: { text } }
    },
  },
]

/** A string field; numbers are accepted, too (get_optional_string_field). */
function textIn(button: Fields, name: string): string {
  const value = button[name]
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}

function within(button: Fields, name: string): Fields {
  return Object(button[name]) as Fields
}

function urlIn(button: Fields, called: string, isSecure = false): string {
  const url = textIn(button, 'url')
  const wrong = wrongUrl(url, isSecure)
  if (wrong === undefined) return url
  throw badRequest(`inline keyboard button ${called} '${url}' is invalid: ${wrong}`)
}

function dataIn(button: Fields): string {
  const data = textIn(button, 'callback_data')
  if (Buffer.byteLength(data) > LONGEST_DATA) throw badRequest('BUTTON_DATA_INVALID')
  return data
}

function chosenIn(button: Fields, place: ButtonPlace): Fields {
  const chosen = within(button, 'switch_inline_query_chosen_chat')
  const allowed = CHOSEN.map((name) => [name, chosen[name] === true] as const)
  if (!allowed.some(([, is]) => is)) throw badRequest('at least one chat type must be allowed')
  const query = textIn(chosen, 'query')
  // Allowing all chat types is the same as a plain `switch_inline_query`.
  if (allowed.every(([, is]) => is)) return switching('switch_inline_query', query, place)
  switching('switch_inline_query', query, place)
  return { switch_inline_query_chosen_chat: { query, ...Object.fromEntries(allowed) } }
}

function switching(name: string, query: string, { chat }: ButtonPlace): Fields {
  if (chat?.kind === 'channel')
    throw badRequest(
      `can't use ${name} button in a channel chat, because users will not be able to use the button without knowing bot's username`,
    )
  return { [name]: query }
}

/** Where the buttons will be shown. */
export interface ButtonPlace {
  /** Undefined for an inline result, which has no chat yet. */
  readonly chat?: WorldChat | undefined
  readonly isInvoice?: boolean
}
