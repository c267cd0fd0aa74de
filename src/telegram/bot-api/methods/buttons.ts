import type { InlineKeyboardMarkup } from 'grammy/types'
import { wrongUrl } from '../../world/links.js'
import { badRequest } from '../../world/refusal.js'
import type { Params } from '../params.js'

/** What a button looks like, which does not yet make it one. */
const LOOK: ReadonlySet<string> = new Set(['text', 'style', 'icon_custom_emoji_id'])
const KINDS: ReadonlySet<string> = new Set([
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
const MOST_BUTTONS = 100

/** Only an inline keyboard belongs to the message; the other markups live on the person's screen. */
export function inlineKeyboard(params: Params): InlineKeyboardMarkup | undefined {
  const markup = params.object('reply_markup')
  if (markup === undefined) return undefined
  if ('keyboard' in markup) rowsIn(markup.keyboard, 'keyboard')
  if (!('inline_keyboard' in markup)) return undefined
  const rows = rowsIn(markup.inline_keyboard, 'inline_keyboard')
  if (rows.flat().length > MOST_BUTTONS) throw badRequest('reply markup is too long')
  const keyboard = rows.map((row) => row.map((button) => readButton(button as Record<string, unknown>)))
  return keyboard.length === 0
    ? undefined
    : ({ inline_keyboard: keyboard } as unknown as InlineKeyboardMarkup)
}

function rowsIn(given: unknown, name: string): readonly (readonly unknown[])[] {
  if (!Array.isArray(given) || !given.every(Array.isArray))
    throw badRequest(
      name === 'keyboard'
        ? 'field "keyboard" must be an Array of Arrays'
        : "can't parse inline keyboard: expected an Array of Arrays",
    )
  return given
}

/** Telegram passes over what it does not know; telegraf, for one, leaves a mark of its own on each button. */
function readButton(button: Record<string, unknown>): Record<string, unknown> {
  const known = Object.entries(button).filter(([name]) => LOOK.has(name) || KINDS.has(name))
  const unallowed = "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"
  if (typeof button.text !== 'string' || button.text.trim() === '') throw badRequest(unallowed)
  if (!known.some(([name]) => KINDS.has(name))) throw badRequest(unallowed)
  const data = button.callback_data
  if (data !== undefined && (typeof data !== 'string' || data === '' || Buffer.byteLength(data) > 64))
    throw badRequest('BUTTON_DATA_INVALID')
  const { login_url, ...rest } = Object.fromEntries(known)
  // "login_url buttons are represented as ordinary url buttons" (Message).
  const url = login_url === undefined ? rest.url : Reflect.get(Object(login_url), 'url')
  if (url === undefined) return rest
  const wrong = wrongUrl(String(url))
  if (wrong !== undefined)
    throw badRequest(
      `inline keyboard button ${login_url === undefined ? '' : 'login '}URL '${url}' is invalid: ${wrong}`,
    )
  return { ...rest, url }
}
