import { Api, InlineKeyboard } from 'grammy'
import type { Message } from 'grammy/types'
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
let bob: Person
let group: TelegramGroup

beforeEach(async () => {
  telegram = await startTelegram({ clock: 'virtual' })
  bot = telegram.createBot({ username: 'guarded_bot' })
  alice = telegram.createUser({ firstName: 'Alice', languageCode: 'de' })
  bob = telegram.createUser({ firstName: 'Bob' })
  group = telegram.createGroup({ title: 'Plaza', owner: alice, members: [bob, bot] })
  api = new Api(bot.token, { apiRoot: telegram.apiRoot })
  call = caller(telegram.apiRoot, bot)
})
afterEach(() => telegram.close())

/** Sends an ephemeral message; returns the refusal, if any. */
const whisper = (to: Person, other: Parameters<Api['sendMessage']>[2] = {}, place = group) =>
  refusalOf(
    api.sendMessage(place.id, 'psst', {
      ephemeral_message_parameters: { receiver_user_id: to.id },
      ...other,
    }),
  )

const secret = { command: 'secret', description: 'Secret', is_ephemeral: true }

describe('an ephemeral message that answers nothing', () => {
  test('can be sent by administrators only, in every kind of group', async () => {
    expect(await whisper(bob)).toBe('Bad Request: BOT_NOT_ADMIN')
    await alice.in(group).promotes(bot, { can_manage_chat: true })
    expect(await whisper(bob)).toBeUndefined()
    const cellar = telegram.createGroup({ title: 'Cellar', owner: alice, admins: [bot], basic: true })
    expect(await whisper(alice, {}, cellar)).toBeUndefined()
  })

  test('can be sent to members only', async () => {
    const stranger = telegram.createUser({ firstName: 'Stranger' })
    await alice.in(group).promotes(bot, { can_manage_chat: true })
    expect(await whisper(stranger)).toBe('Bad Request: USER_NOT_PARTICIPANT')
  })
})

describe('an ephemeral message that answers a tap', () => {
  test('can be sent by every bot, to the person who tapped, for 15 seconds', async () => {
    const keyboard = new InlineKeyboard().text('More', 'more')
    await api.sendMessage(group.id, 'Menu', { reply_markup: keyboard })
    const tap = await bob.in(group).taps(await bob.hears('Menu'), 'More')
    const answering = (to: Person) =>
      whisper(to, {
        ephemeral_message_parameters: { receiver_user_id: to.id, callback_query_id: tap.query.id },
      })
    expect(await answering(bob)).toBeUndefined()
    expect((await bob.hears('psst')).ephemeral_message_id).toBe(1)
    expect(await answering(alice)).toMatch(/query ID is invalid/)
    telegram.clock.advance('15s')
    expect(await answering(bob)).toMatch(/query is too old/)
  })
})

describe('an ephemeral command', () => {
  test('is received by the bot that declared it, and by nobody else', async () => {
    const rival = telegram.createBot({ username: 'rival_bot' })
    await alice.in(group).adds(rival)
    await api.setMyCommands([secret])
    const sent = await bob.in(group).sends('/secret')
    expect(sent).toMatchObject({ message_id: 0, ephemeral_message_id: 1, receiver_user: { id: bot.id } })
    await bob.in(group).sends('/secret@rival_bot')
    const texts = async (by: Caller) => (await updatesOf(by)).map(({ message }) => Object(message).text)
    expect(await texts(call)).toContain('/secret')
    expect(await texts(caller(telegram.apiRoot, rival))).not.toContain('/secret')
    expect(alice.hasHeard(/^\/secret$/, { in: group })).toBeUndefined()
  })

  test('is declared by the list of the narrowest scope, in the language of the sender', async () => {
    await api.setMyCommands([secret], { language_code: 'de' })
    await api.setMyCommands([{ ...secret, is_ephemeral: false }])
    expect(await alice.in(group).sends('/secret')).toHaveProperty('ephemeral_message_id')
    expect(await bob.in(group).sends('/secret')).not.toHaveProperty('ephemeral_message_id')
    await api.setMyCommands([secret], { scope: { type: 'chat_member', chat_id: group.id, user_id: bob.id } })
    expect(await bob.in(group).sends('/secret')).toHaveProperty('ephemeral_message_id')
    await api.setMyCommands([], { scope: { type: 'all_chat_administrators' } })
    expect(await alice.in(group).sends('/secret')).not.toHaveProperty('ephemeral_message_id')
  })

  test('can be answered by an ephemeral message to its sender, for 15 seconds', async () => {
    await api.setMyCommands([secret])
    const { ephemeral_message_id } = await bob.in(group).sends('/secret')
    const reply_parameters = { ephemeral_message_id: ephemeral_message_id! }
    expect(await whisper(bob, { reply_parameters })).toBeUndefined()
    expect(await whisper(alice, { reply_parameters })).toBe('Bad Request: BOT_NOT_ADMIN')
    expect(await refusalOf(api.sendMessage(group.id, 'in public', { reply_parameters }))).toBe(
      'Bad Request: a reply to an ephemeral message must be an ephemeral message',
    )
    telegram.clock.advance('15s')
    const forgiving = { ...reply_parameters, allow_sending_without_reply: true }
    expect(await whisper(bob, { reply_parameters: forgiving })).toBe(
      'Bad Request: message to be replied not found',
    )
    expect(group.messages.map(({ text }) => text)).not.toContain('in public')
  })
})

test('a reply to an ephemeral message is ephemeral, and reaches only the bot that sent it', async () => {
  const rival = telegram.createBot({ username: 'rival_bot' })
  await alice.in(group).adds(rival)
  await alice.in(group).promotes(bot, { can_manage_chat: true })
  expect(await whisper(bob)).toBeUndefined()
  const reply = await bob.in(group).replies(await bob.hears('psst'), 'for you only')
  expect(reply).toMatchObject({ message_id: 0, receiver_user: { id: bot.id } })
  const { ephemeral_message_id } = reply
  expect(
    await whisper(bob, { reply_parameters: { ephemeral_message_id: ephemeral_message_id! } }),
  ).toBeUndefined()
  const texts = async (by: Caller) => (await updatesOf(by)).map(({ message }) => Object(message).text)
  expect(await texts(call)).toContain('for you only')
  expect(await texts(caller(telegram.apiRoot, rival))).not.toContain('for you only')
  expect(alice.hasHeard('for you only', { in: group })).toBeUndefined()
})

describe('a reply to an ephemeral message that could only be public is refused', () => {
  let psst: Message

  beforeEach(async () => {
    await alice.in(group).promotes(bot, { can_manage_chat: true })
    await whisper(alice)
    psst = await alice.hears('psst')
  })

  const quotesNothing = async (reply: Promise<unknown>) => {
    await expect(reply).rejects.toThrow(/the reply would be public/)
    expect(bob.hasHeard('quoting', { in: group })).toBeUndefined()
  }

  test('if its bot has left', async () => {
    await api.leaveChat(group.id)
    await quotesNothing(alice.in(group).replies(psst, 'quoting'))
  })

  test('from somebody who speaks in the name of the group', async () => {
    await quotesNothing(alice.in(group).anonymously().replies(psst, 'quoting'))
  })

  test('if it is their own', async () => {
    await api.setMyCommands([secret])
    const sent = await alice.in(group).sends('/secret')
    await quotesNothing(alice.in(group).replies(sent, 'quoting'))
    expect(await alice.in(group).replies(sent, '/secret')).toMatchObject({ receiver_user: { id: bot.id } })
  })
})

test.each([
  ['sendDice', {}],
  ['sendPoll', { question: 'Which?', options: [{ text: 'A' }, { text: 'B' }] }],
] as const)('%s has no ephemeral form', async (method, params) => {
  const answer = await call(method, {
    chat_id: group.id,
    ...params,
    ephemeral_message_parameters: { receiver_user_id: bob.id },
  })
  expect(answer.result).not.toHaveProperty('ephemeral_message_id')
})
