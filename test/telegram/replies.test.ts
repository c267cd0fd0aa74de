import { InlineKeyboard } from 'grammy'
import type { Message } from 'grammy/types'
import { refusalOf } from './calling.js'
import { alice, api, bot, group, telegram, usePlaza } from './plaza.js'

usePlaza('reply_bot')
beforeEach(async () => {
  await alice.to(bot).sends('/start')
})

test('a reply to another chat contains the replied-to message without its text', async () => {
  const photo = await alice.in(group).sendsPhoto('cat.jpg', { caption: 'Look' })
  const elsewhere = { message_id: photo.message_id, chat_id: group.id }
  const sent = await api.sendMessage(alice.id, 'Nice', { reply_parameters: elsewhere })
  expect(sent).not.toHaveProperty('reply_to_message')
  expect(sent.external_reply).toMatchObject({
    origin: { type: 'user', sender_user: { id: alice.id } },
    chat: { id: group.id },
    message_id: photo.message_id,
    photo: photo.photo,
  })
  expect(sent.external_reply).not.toHaveProperty('caption')
  const missing = { message_id: 404, chat_id: group.id }
  expect(await refusalOf(api.sendMessage(alice.id, 'x', { reply_parameters: missing }))).toBe(
    'Bad Request: message to be replied not found',
  )
  expect(
    await refusalOf(api.sendMessage(alice.id, 'x', { reply_parameters: { ...missing, chat_id: -1 } })),
  ).toBe('Bad Request: chat not found')
  // A chat id that names the chat itself makes no external reply.
  const here = { message_id: photo.message_id, chat_id: group.id }
  expect(await api.sendMessage(group.id, 'Nice', { reply_parameters: here })).toHaveProperty(
    'reply_to_message',
  )
})

test('replies and comments in a supergroup share the thread of the first message', async () => {
  const first = await alice.in(group).sends('one')
  expect(first).not.toHaveProperty('message_thread_id')
  const second = await alice.in(group).replies(first, 'two')
  const third = await api.sendMessage(group.id, 'three', {
    reply_parameters: { message_id: second.message_id },
  })
  for (const answer of [second, third]) {
    expect(answer.message_thread_id).toBe(first.message_id)
    expect(answer).not.toHaveProperty('is_topic_message')
  }
  const news = telegram.createChannel({ title: 'News', owner: alice, linkedGroup: group })
  await alice.in(news).posts('Open')
  const copy = group.messages.at(-1) as Message
  const comment = await alice.in(group).replies(copy, 'At last')
  expect(comment.message_thread_id).toBe(copy.message_id)

  const cellar = telegram.createGroup({ title: 'Cellar', owner: alice, basic: true })
  for (const place of [alice.in(cellar), alice.to(bot)]) {
    const said = await place.sends('one')
    expect(await place.replies(said, 'two')).not.toHaveProperty('message_thread_id')
  }
})

test('a quote must be a part of the quoted message', async () => {
  const { message_id } = await alice.in(group).sends('one two one')
  const quoting = (quote: string, more = {}) =>
    api.sendMessage(group.id, 'x', { reply_parameters: { message_id, quote, ...more } })
  expect((await quoting('one')).quote).toEqual({ text: 'one', position: 0, is_manual: true })
  expect((await quoting('<b>one</b>', { quote_parse_mode: 'HTML', quote_position: 8 })).quote).toEqual({
    text: 'one',
    entities: [{ type: 'bold', offset: 0, length: 3 }],
    position: 8,
    is_manual: true,
  })
  expect(await refusalOf(quoting('three'))).toBe('Bad Request: QUOTE_TEXT_INVALID')
})

test('invalid buttons are refused in the words of Telegram', async () => {
  const keyboard = (reply_markup: unknown) =>
    refusalOf(api.sendMessage(group.id, 'x', { reply_markup: reply_markup as InlineKeyboard }))
  expect(await keyboard({ inline_keyboard: [{ text: 'A' }] })).toMatch(/reply markup|Array of Arrays/)
  expect(await keyboard({ inline_keyboard: [[{ text: 'A' }]] })).toBe(
    "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
  )
  expect(await keyboard(new InlineKeyboard().url('A', 'nowhere'))).toBe(
    "Bad Request: inline keyboard button URL 'nowhere' is invalid: Wrong HTTP URL",
  )
  expect(await keyboard(new InlineKeyboard().url('A', 'ftp://a.example'))).toBe(
    "Bad Request: inline keyboard button URL 'ftp://a.example' is invalid: Unsupported URL protocol",
  )
  expect(await keyboard(new InlineKeyboard().text('A', 'x'.repeat(65)))).toBe(
    'Bad Request: BUTTON_DATA_INVALID',
  )
  const login = new InlineKeyboard().login('Log in', 'https://a.example').url('User', 'tg://user?id=5')
  const sent = await api.sendMessage(group.id, 'x', { reply_markup: login })
  expect(sent.reply_markup?.inline_keyboard[0]).toEqual([
    { text: 'Log in', url: 'https://a.example' },
    { text: 'User', url: 'tg://user?id=5' },
  ])
})

test('a reaction must be one of Telegram’s reactions', async () => {
  const { message_id } = await alice.in(group).sends('hi')
  const reacting = (emoji: string) =>
    refusalOf(api.setMessageReaction(group.id, message_id, [{ type: 'emoji', emoji: emoji as '👍' }]))
  expect(await reacting('👍')).toBeUndefined()
  expect(await reacting('🧦')).toBe('Bad Request: REACTION_INVALID')
})
