import type { InlineKeyboardMarkup } from 'grammy/types'
import { badRequest } from '../../world/refusal.js'
import type { Params } from '../params.js'
import { type ButtonPlace, readButton } from './inline-button.js'

/** The reply markup of a call. */
interface Markup {
  readonly inline?: InlineKeyboardMarkup | undefined
  /** A reply keyboard, its removal or a forced reply: these change the person's screen, and such messages cannot be edited. */
  readonly isOnScreen: boolean
}

/** Telegram's limits: surplus buttons in a row are dropped, but too many in total are refused. */
const MOST_IN_A_ROW = 12
const MOST_BUTTONS = 100

/** The markup of a new message (get_reply_markup in td/telegram/ReplyMarkup.cpp); in a channel only an inline keyboard is allowed. */
export function markupOf(params: Params, place: ButtonPlace): Markup {
  return read(params, place, place.chat?.kind === 'channel')
}

/** The inline keyboard of a message; other markup is refused. */
export function inlineKeyboard(params: Params, place: ButtonPlace): InlineKeyboardMarkup | undefined {
  return read(params, place, true).inline
}

function read(params: Params, place: ButtonPlace, isOnlyInline: boolean): Markup {
  const markup = params.object('reply_markup') ?? {}
  const keyboard = rowsIn(markup.keyboard, 'keyboard')
  const rows = rowsIn(markup.inline_keyboard, 'inline_keyboard')
  const isOnScreen =
    keyboard.length > 0 || (rows.length === 0 && SIMPLE.some((name) => markup[name] === true))
  if (isOnScreen) {
    if (isOnlyInline) throw badRequest('inline keyboard expected')
    return { isOnScreen: keyboard.length === 0 || shows(keyboard, place) }
  }
  const kept = rows
    .map((row) => row.map((button) => readButton(button, place)).filter((button) => button !== undefined))
    .map((row) => row.slice(0, MOST_IN_A_ROW))
    .filter((row) => row.length > 0)
  assertPayable(kept, place)
  if (kept.length === 0) return { isOnScreen: false }
  if (kept.flat().length > MOST_BUTTONS) throw badRequest('reply markup is too long')
  return { isOnScreen: false, inline: { inline_keyboard: kept } as unknown as InlineKeyboardMarkup }
}

/** Markups without a keyboard, including their former names. */
const SIMPLE = ['remove_keyboard', 'hide_keyboard', 'force_reply', 'force_reply_keyboard'] as const

function rowsIn(given: unknown, name: string): readonly (readonly unknown[])[] {
  if (given === undefined || given === null) return []
  if (!Array.isArray(given) || !given.every(Array.isArray))
    throw badRequest(
      name === 'keyboard'
        ? 'field "keyboard" must be an Array of Arrays'
        : 'field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays',
    )
  return given
}

/** Requests that buttons may make in private chats only, with Telegram's errors. */
const REQUESTS = new Map([
  ['request_phone_number', 'phone number can be requested in private chats only'],
  ['request_contact', 'phone number can be requested in private chats only'],
  ['request_location', 'location can be requested in private chats only'],
  ['request_poll', 'poll can be requested in private chats only'],
  ['web_app', 'web App buttons can be used in private chats only'],
  ['request_user', 'users can be requested in private chats only'],
  ['request_users', 'users can be requested in private chats only'],
  ['request_chat', 'chats can be requested in private chats only'],
  ['request_managed_bot', 'managed bots can be requested in private chats only'],
])

/** Whether a reply keyboard shows at least one button; Telegram ignores buttons without text. */
function shows(rows: readonly (readonly unknown[])[], { chat }: ButtonPlace): boolean {
  const buttons = rows.flat().filter((button) => {
    if (typeof button === 'string') return button !== ''
    if (typeof button !== 'object' || button === null)
      throw badRequest("can't parse keyboard button: KeyboardButton must be a String or an Object")
    const { text } = button as { readonly text?: unknown }
    if (typeof text !== 'string' && typeof text !== 'number')
      throw badRequest('can\'t parse keyboard button: Can\'t find field "text"')
    return text !== ''
  })
  if (chat?.kind === 'private') return buttons.length > 0
  for (const button of buttons)
    for (const [name, refusal] of REQUESTS) {
      const asked: unknown = typeof button === 'object' && button !== null && Reflect.get(button, name)
      if (asked === true || (typeof asked === 'object' && asked !== null)) throw badRequest(refusal)
    }
  return buttons.length > 0
}

/** "This type of button must always be the first button in the first row and can only be used in invoice messages." */
function assertPayable(rows: readonly (readonly object[])[], { isInvoice = false }: ButtonPlace): void {
  const places = rows.flat().flatMap((button, index) => ('pay' in button ? index : []))
  if (!isInvoice && places.length > 0) throw badRequest('BUTTON_TYPE_INVALID')
  if (places.some((index) => index > 0)) throw badRequest('BUTTON_POS_INVALID')
  if (isInvoice && rows.length > 0 && places.length === 0) throw badRequest('REPLY_MARKUP_BUY_EMPTY')
}
