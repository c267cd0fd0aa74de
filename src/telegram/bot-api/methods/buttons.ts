import type { InlineKeyboardMarkup } from 'grammy/types'
import type { WorldChat } from '../../world/chats.js'
import { badRequest } from '../../world/refusal.js'
import type { Params } from '../params.js'
import { readButton } from './inline-button.js'

/** Where buttons are to stand. */
export interface ButtonPlace {
  /** An inline result has none yet. */
  readonly chat?: WorldChat | undefined
  readonly isInvoice?: boolean
}

/** What a call wants under a message. */
export interface Markup {
  readonly inline?: InlineKeyboardMarkup | undefined
  /** A reply keyboard, its removal or a forced reply: these live on the person's screen, and end all editing. */
  readonly isOnScreen: boolean
}

/** As Telegram takes them: further buttons of a row are left out, more of them all together are too many. */
const MOST_IN_A_ROW = 12
const MOST_BUTTONS = 100

/** What a new message comes with (get_reply_markup in td/telegram/ReplyMarkup.cpp); in a channel only buttons of its own. */
export function markupOf(params: Params, place: ButtonPlace): Markup {
  return read(params, place, place.chat?.kind === 'channel')
}

/** The buttons of a message: anything else is refused. */
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

/** Markups that need no keyboard, with the names they had before. */
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

/** What may be asked for with a button, in private; in Telegram's words. */
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

/** Whether a reply keyboard has buttons at all. Telegram shows none without a text, so those do not count. */
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
