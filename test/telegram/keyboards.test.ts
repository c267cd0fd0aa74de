import { Api, type GrammyError, InlineKeyboard, InputMediaBuilder, Keyboard } from 'grammy'
import type { InlineKeyboardMarkup, Message } from 'grammy/types'
import {
  createTelegram,
  type Person,
  type Telegram,
  type TelegramBot,
  type TelegramChannel,
  type TelegramGroup,
} from '../../src/telegram/index.js'

let telegram: Telegram
let bot: TelegramBot
let api: Api
let alice: Person
let group: TelegramGroup
let channel: TelegramChannel

beforeEach(async () => {
  telegram = createTelegram({ clock: 'virtual' })
  bot = telegram.createBot({ username: 'keyboard_bot' })
  alice = telegram.createUser({ firstName: 'Alice' })
  group = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [bot] })
  channel = telegram.createChannel({ title: 'News', owner: alice, admins: [bot] })
  api = new Api(bot.token, bot.config.client)
  await alice.to(bot).sends('/start')
})
afterEach(() => telegram.close())

const refusalOf = async (promise: Promise<unknown>) =>
  ((await promise.catch((error: unknown) => error)) as GrammyError).description?.replace(/^Bad Request: /, '')

type Place = { readonly id: number }

const refused = (place: Place, reply_markup: object) =>
  refusalOf(api.sendMessage(place.id, 'x', { reply_markup: reply_markup as InlineKeyboardMarkup }))
const shown = async (buttons: object[][]) =>
  (await api.sendMessage(alice.id, 'x', { reply_markup: inline(buttons) })).reply_markup?.inline_keyboard
const inline = (buttons: object[][]) => ({ inline_keyboard: buttons }) as InlineKeyboardMarkup
const NOT_MODIFIED = /^message is not modified/

test('empty rows are dropped, and an empty keyboard is no keyboard', async () => {
  const bare = await api.sendMessage(alice.id, 'x', { reply_markup: new InlineKeyboard() })
  expect(bare).not.toHaveProperty('reply_markup')
  const nothing = { reply_markup: new InlineKeyboard() }
  expect(await refusalOf(api.editMessageReplyMarkup(alice.id, bare.message_id, nothing))).toMatch(
    NOT_MODIFIED,
  )
  const trailing = new InlineKeyboard().text('A', 'a').row()
  expect(await shown(trailing.inline_keyboard)).toEqual([[{ text: 'A', callback_data: 'a' }]])
  expect(await shown([[{ text: '', callback_data: 'a' }], [{ text: 'B', callback_data: 'b' }]])).toEqual([
    [{ text: 'B', callback_data: 'b' }],
  ])
  const long = Array.from({ length: 13 }, (_, index) => ({ text: `${index}`, callback_data: 'x' }))
  expect((await shown([long]))?.[0]).toHaveLength(12)
})

test('the order of a button’s fields is no change, and of several kinds Telegram chooses one', async () => {
  const reply_markup = inline([[{ text: 'A', style: 'danger', callback_data: 'a' }]])
  const { message_id } = await api.sendMessage(alice.id, 'x', { reply_markup })
  const swapped = inline([[{ callback_data: 'a', style: 'Danger', text: 'A', more: 1 }]])
  expect(await refusalOf(api.editMessageText(alice.id, message_id, 'x', { reply_markup: swapped }))).toMatch(
    NOT_MODIFIED,
  )
  expect(
    await refusalOf(api.editMessageReplyMarkup(alice.id, message_id, { reply_markup: swapped })),
  ).toMatch(NOT_MODIFIED)
  const both = { callback_data: 'a', url: 'https://a.example', text: 'A' }
  expect(await shown([[both, { text: 'B', url: '', callback_data: 5 }]])).toEqual([
    [
      { text: 'A', url: 'https://a.example' },
      { text: 'B', callback_data: '5' },
    ],
  ])
  const chosen = { allow_group_chats: true, foo: 1 }
  expect(await shown([[{ text: 'A', switch_inline_query_chosen_chat: chosen }]])).toEqual([
    [
      {
        text: 'A',
        switch_inline_query_chosen_chat: {
          query: '',
          allow_user_chats: false,
          allow_bot_chats: false,
          allow_group_chats: true,
          allow_channel_chats: false,
        },
      },
    ],
  ])
})

test('buttons that work only in private chats are refused elsewhere', async () => {
  const app = (url: string) => new InlineKeyboard().webApp('Open', url)
  expect(await refused(alice, app('https://a.example'))).toBeUndefined()
  expect(await refused(group, app('https://a.example'))).toBe('BUTTON_TYPE_INVALID')
  expect(await refused(channel, app('https://a.example'))).toBe('BUTTON_TYPE_INVALID')
  expect(await refused(alice, app('http://a.example'))).toBe(
    "inline keyboard button Web App URL 'http://a.example' is invalid: Only HTTPS links are allowed",
  )
  expect(await refused(alice, new InlineKeyboard().login('Log in', 'http://a.example'))).toBe(
    "inline keyboard button login URL 'http://a.example' is invalid: Only HTTPS links are allowed",
  )
  expect(await refused(alice, new Keyboard().requestContact('Call me'))).toBeUndefined()
  expect(await refused(group, new Keyboard().requestContact('Call me'))).toBe(
    'phone number can be requested in private chats only',
  )
  expect(await refused(group, new Keyboard().requestPoll('Ask', 'quiz'))).toBe(
    'poll can be requested in private chats only',
  )
  expect(await refused(group, new Keyboard().webApp('Open', 'https://a.example'))).toBe(
    'web App buttons can be used in private chats only',
  )
  expect(await refused(group, new Keyboard().text('Plain'))).toBeUndefined()
  expect(await refused(group, { keyboard: [[5]] })).toMatch(/^can't parse keyboard button|must be/)
})

test('a channel accepts only inline keyboards without inline queries', async () => {
  expect(await refused(channel, new Keyboard().text('A'))).toBe('inline keyboard expected')
  expect(await refused(channel, { force_reply: true })).toBe('inline keyboard expected')
  expect(await refused(channel, { remove_keyboard: true })).toBe('inline keyboard expected')
  expect(await refused(channel, new InlineKeyboard().switchInline('A', 'b'))).toMatch(
    /^can't use switch_inline_query button in a channel chat, because users/,
  )
  expect(await refused(channel, new InlineKeyboard().text('A', 'a'))).toBeUndefined()
})

test('a pay button must be the first button of an invoice, and is refused elsewhere', async () => {
  expect(await refused(alice, new InlineKeyboard().pay('Pay'))).toBe('BUTTON_TYPE_INVALID')
  const selling = (reply_markup: InlineKeyboard) =>
    refusalOf(
      api.sendInvoice(alice.id, 'Book', 'About cats', 'book', 'XTR', [{ label: 'Book', amount: 5 }], {
        reply_markup,
      }),
    )
  expect(await selling(new InlineKeyboard().pay('Pay').text('More', 'more'))).toBeUndefined()
  expect(await selling(new InlineKeyboard().text('More', 'more').pay('Pay'))).toBe('BUTTON_POS_INVALID')
  expect(await selling(new InlineKeyboard().text('More', 'more'))).toBe('REPLY_MARKUP_BUY_EMPTY')
})

test('an album has no keyboard', async () => {
  const photo = (name: string) => InputMediaBuilder.photo(`https://a.example/${name}.jpg`)
  const reply_markup = new InlineKeyboard().text('A', 'a')
  for (const media of [[photo('one'), photo('two')], [photo('alone')]]) {
    const sent = await api.sendMediaGroup(alice.id, media, { reply_markup } as object)
    for (const message of sent) expect(message).not.toHaveProperty('reply_markup')
  }
})

test('a message that was sent with a reply keyboard cannot be edited', async () => {
  const fixed = "message can't be edited"
  const buttons = { reply_markup: new InlineKeyboard().text('B', 'b') }
  for (const reply_markup of [
    new Keyboard().text('A'),
    { force_reply: true as const },
    { remove_keyboard: true as const },
  ]) {
    const { message_id } = await api.sendMessage(alice.id, 'x', { reply_markup })
    expect(await refusalOf(api.editMessageText(alice.id, message_id, 'y'))).toBe(fixed)
    expect(await refusalOf(api.editMessageReplyMarkup(alice.id, message_id, buttons))).toBe(fixed)
  }
  const empty = await api.sendMessage(alice.id, 'x', { reply_markup: { keyboard: [['']] } })
  const edited = await api.editMessageText(alice.id, empty.message_id, 'y')
  expect((edited as Message.TextMessage).text).toBe('y')
  const screen = { reply_markup: new Keyboard().text('A') } as object
  expect(await refusalOf(api.editMessageText(alice.id, empty.message_id, 'z', screen))).toMatch(
    /inline.keyboard/,
  )
})

test('inline buttons can be changed below polls and dice', async () => {
  const poll = await api.sendPoll(alice.id, 'Tea?', [{ text: 'Yes' }, { text: 'No' }])
  const dice = await api.sendDice(alice.id, '🎲')
  const buttons = { reply_markup: new InlineKeyboard().text('B', 'b') }
  for (const { message_id } of [poll, dice])
    expect(await api.editMessageReplyMarkup(alice.id, message_id, buttons)).toMatchObject(buttons)
  expect(await refusalOf(api.editMessageText(alice.id, poll.message_id, 'y'))).toBe("message can't be edited")

  const reply_markup = new Keyboard().text('A')
  const asked = await api.sendPoll(alice.id, 'Tea?', [{ text: 'Yes' }, { text: 'No' }], { reply_markup })
  expect(await refusalOf(api.stopPoll(alice.id, asked.message_id))).toBe("poll can't be stopped")
  const wrong = { reply_markup: new InlineKeyboard().url('A', 'nowhere') }
  expect(await refusalOf(api.stopPoll(alice.id, poll.message_id, wrong))).toMatch(/Wrong HTTP URL$/)
  expect((await api.stopPoll(alice.id, poll.message_id)).is_closed).toBe(true)
})
