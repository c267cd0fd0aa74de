import { Api, InlineKeyboard, InlineQueryResultBuilder } from 'grammy'
import type { InlineQueryResult } from 'grammy/types'
import {
  type Person,
  startTelegram,
  type Telegram,
  type TelegramBot,
  type TelegramGroup,
} from '../../src/telegram/index.js'
import { type Caller, caller, refusalOf, updatesOf } from './calling.js'

let telegram: Telegram
let bot: TelegramBot
let api: Api
let call: Caller
let alice: Person
let group: TelegramGroup

beforeEach(async () => {
  telegram = await startTelegram({ clock: 'virtual' })
  bot = telegram.createBot({ username: 'inline_bot' })
  alice = telegram.createUser({ firstName: 'Alice' })
  group = telegram.createGroup({ title: 'Plaza', owner: alice })
  api = new Api(bot.token, { apiRoot: telegram.apiRoot })
  call = caller(telegram.apiRoot, bot)
})
afterEach(() => telegram.close())

test('a chosen result is sent via the bot, which receives an update and may edit the message', async () => {
  const asked = await alice.asks(bot, 'cats')
  const keyboard = new InlineKeyboard().text('Like', 'like')
  await api.answerInlineQuery(asked.query.id, [
    InlineQueryResultBuilder.article('plain', 'Plain').text('Just a cat'),
    InlineQueryResultBuilder.article('liked', 'Liked', { reply_markup: keyboard }).text('*A* cat', {
      parse_mode: 'MarkdownV2',
    }),
  ])
  const plain = await asked.picks('plain', group)
  expect(plain).toMatchObject({ text: 'Just a cat', from: { id: alice.id }, via_bot: { id: bot.id } })
  const liked = await asked.picks(1, group)
  expect(liked).toMatchObject({ text: 'A cat', entities: [{ type: 'bold', offset: 0, length: 1 }] })
  const [, chosen, chosenLiked] = (await updatesOf(call)) as {
    chosen_inline_result: { inline_message_id?: string }
  }[]
  expect(chosen).toMatchObject({ chosen_inline_result: { result_id: 'plain', query: 'cats' } })
  expect(chosen?.chosen_inline_result).not.toHaveProperty('inline_message_id')
  const id = chosenLiked!.chosen_inline_result.inline_message_id!
  const tap = await alice.in(group).taps(liked, 'Like')
  expect(tap.query).toMatchObject({ inline_message_id: id })
  expect(tap.query).not.toHaveProperty('message')
  expect(await api.editMessageTextInline(id, 'One like', { reply_markup: keyboard })).toBe(true)
  expect(group.messages.at(-1)).toMatchObject({ text: 'One like', via_bot: { id: bot.id } })
  expect(await api.editMessageReplyMarkupInline(id)).toBe(true)
  expect(group.messages.at(-1)).not.toHaveProperty('reply_markup')
  expect(await refusalOf(api.editMessageTextInline('none', 'x'))).toBe('Bad Request: MESSAGE_ID_INVALID')
})

test('a query names the kind of chat in which it is typed', async () => {
  const cellar = telegram.createGroup({ title: 'Cellar', owner: alice, basic: true })
  const news = telegram.createChannel({ title: 'News', owner: alice })
  const other = telegram.createBot({ username: 'other_bot' })
  const types: unknown[] = []
  for (const place of [undefined, bot, other, cellar, group, news])
    types.push((await alice.asks(bot, 'cats', place && { in: place })).query.chat_type)
  expect(types).toEqual(['sender', 'sender', 'private', 'group', 'supergroup', 'channel'])
})

test('files, places and contacts can be chosen as well', async () => {
  await alice.to(bot).sends('/start')
  const { photo } = await api.sendPhoto(alice.id, 'https://example.com/cat.jpg')
  const asked = await alice.asks(bot, 'things')
  await api.answerInlineQuery(asked.query.id, [
    InlineQueryResultBuilder.photoCached('photo', photo[0]!.file_id, { caption: 'Cat' }),
    InlineQueryResultBuilder.photo('linked', 'https://example.com/dog.jpg'),
    InlineQueryResultBuilder.location('place', 'Here', 1, 2),
    InlineQueryResultBuilder.contact('person', '+1', 'Bob'),
    InlineQueryResultBuilder.venue('venue', 'Cafe', 1, 2, 'Street 1'),
  ])
  expect(await asked.picks('photo', group)).toMatchObject({ photo: [{}, {}, {}], caption: 'Cat' })
  expect(await asked.picks('linked', group)).toMatchObject({ photo: [{}, {}, {}] })
  expect(await asked.picks('place', group)).toMatchObject({ location: { latitude: 1 } })
  expect(await asked.picks('person', group)).toMatchObject({ contact: { first_name: 'Bob' } })
  expect(await asked.picks('venue', bot)).toMatchObject({ venue: { title: 'Cafe' } })
  await expect(asked.picks('bird', group)).rejects.toThrow(/cannot pick "bird".*"photo", "linked"/)
})

test('an invoice can be chosen, and everybody who sees it can pay it', async () => {
  const invoice = {
    title: 'Book',
    description: 'About cats',
    payload: 'book',
    provider_token: '',
    currency: 'XTR',
    prices: [{ label: 'Book', amount: 50 }],
  }
  const article = { type: 'article' as const, id: 'buy', title: 'Buy', input_message_content: invoice }
  const bob = telegram.createUser({ firstName: 'Bob' })
  await bob.in(group).joins()
  const asked = await alice.asks(bot, 'book')
  await api.answerInlineQuery(asked.query.id, [{ ...article, reply_markup: new InlineKeyboard().pay('Pay') }])
  const shown = await asked.picks('buy', group)
  expect(shown).toMatchObject({ invoice: { title: 'Book', total_amount: 50 }, via_bot: { id: bot.id } })
  const payment = await bob.pays(bot, shown)
  await api.answerPreCheckoutQuery(payment.query.id, true)
  expect(payment.receipt?.successful_payment).toMatchObject({ invoice_payload: 'book', total_amount: 50 })

  const { query } = await alice.asks(bot, 'book')
  const wrong = { ...article, input_message_content: { ...invoice, currency: 'ZZZ' } }
  expect(await refusalOf(api.answerInlineQuery(query.id, [wrong]))).toBe(
    "Bad Request: can't parse inline query result: CURRENCY_INVALID",
  )
})

test('a result cannot be chosen in a chat where inline results are forbidden', async () => {
  const bob = telegram.createUser({ firstName: 'Bob' })
  await bob.in(group).joins()
  const asked = await bob.asks(bot, 'cats')
  await api.answerInlineQuery(asked.query.id, [InlineQueryResultBuilder.article('a', 'A').text('Cat')])
  await alice.in(group).permits({ can_send_messages: true })
  await expect(asked.picks('a', group)).rejects.toThrow(/CHAT_SEND_INLINE_FORBIDDEN/)
})

test('without inline feedback, the bot receives no update about the chosen result', async () => {
  const quiet = telegram.createBot({ username: 'quiet_bot', inlineFeedback: false })
  const asked = await alice.asks(quiet, '')
  const quietCall = caller(telegram.apiRoot, quiet)
  const result = { type: 'article', id: '1', title: 'A', input_message_content: { message_text: 'A' } }
  await quietCall('answerInlineQuery', { inline_query_id: asked.query.id, results: [result] })
  await asked.picks('1', group)
  expect(await updatesOf(quietCall)).toMatchObject([{ inline_query: {} }])
})

test.each([
  ['', "can't use empty start_parameter"],
  ['a b', 'unallowed characters in start_parameter are used'],
  ['x'.repeat(65), 'too long start_parameter specified'],
])('a button above the results with the start parameter %j is refused', async (start_parameter, why) => {
  const asked = await alice.asks(bot, 'x')
  const { query, answer: answered } = asked
  const answer = (parameter: string) =>
    api.answerInlineQuery(query.id, [], { button: { text: 'Start', start_parameter: parameter } })
  expect(await refusalOf(answer(start_parameter))).toBe(`Bad Request: ${why}`)
  expect(await answer('from_inline-1')).toBe(true)
  expect((await answered).button).toEqual({ text: 'Start', start_parameter: 'from_inline-1' })
})

test('results are refused in the words of Telegram', async () => {
  const answers = async (...results: readonly Partial<InlineQueryResult>[]) => {
    const { query } = await alice.asks(bot, 'x')
    return refusalOf(api.answerInlineQuery(query.id, results as InlineQueryResult[]))
  }
  const article = { type: 'article', title: 'A', input_message_content: { message_text: 'A' } } as const
  expect(await answers({ ...article, id: '1' }, { ...article, id: '1' })).toBe(
    'Bad Request: RESULT_ID_DUPLICATE',
  )
  expect(await answers({ ...article, id: '' })).toBe('Bad Request: RESULT_ID_EMPTY')
  expect(await answers({ ...article, id: 'x'.repeat(65) })).toBe('Bad Request: RESULT_ID_INVALID')
  expect(await answers({ ...article, type: 'spell' as 'article', id: '1' })).toBe(
    'Bad Request: can\'t parse inline query result: type "spell" is unsupported',
  )
  const broken = { message_text: '<b>', parse_mode: 'HTML' } as const
  expect(await answers({ ...article, id: '1', input_message_content: broken })).toMatch(
    /can't parse inline query result: can't parse entities: /,
  )
  expect(await answers(...Array(51).fill({ ...article, id: '1' }))).toBe(
    'Bad Request: too many inline query results specified',
  )
})
