import type { ForumTopic } from 'grammy/types'
import {
  type Person,
  startTelegram,
  type Telegram,
  type TelegramBot,
  type TelegramGroup,
} from '../../src/telegram/index.js'
import { type Caller, caller, updatesOf } from './calling.js'

let telegram: Telegram
let bot: TelegramBot
let rival: TelegramBot
let call: Caller
let rivalCall: Caller
let alice: Person
let group: TelegramGroup

beforeEach(async () => {
  telegram = await startTelegram({ clock: 'virtual' })
  bot = telegram.createBot({ username: 'shy_bot', privacy: true })
  rival = telegram.createBot({ username: 'rival_bot' })
  alice = telegram.createUser({ firstName: 'Alice' })
  group = telegram.createGroup({ title: 'Plaza', owner: alice, members: [bot, rival] })
  call = caller(telegram.apiRoot, bot)
  rivalCall = caller(telegram.apiRoot, rival)
})
afterEach(() => telegram.close())

const heard = async (by: Caller = call) =>
  (await updatesOf(by)).map((update) => {
    const message = (update.message ?? update.edited_message) as Record<string, unknown>
    return message.text ?? Object.keys(message).at(-1)
  })
const say = (by: Caller, text: string, other = {}) =>
  by('sendMessage', { chat_id: group.id, text, ...other }).then(
    ({ result }) =>
      group.messages.find(({ message_id }) => message_id === (result as { message_id: number }).message_id)!,
  )

test('a bot receives commands addressed to it, and no other messages', async () => {
  expect((await call('getMe')).result).toMatchObject({ can_read_all_group_messages: false })
  await alice.in(group).sends('good morning')
  await alice.in(group).sends('/help@shy_bot please')
  await alice.in(group).sends('/help@rival_bot')
  await alice.in(group).sends('no /help@shy_bot here')
  expect(await heard()).toEqual(['/help@shy_bot please'])
  expect(await heard(rivalCall)).toHaveLength(4)
})

test('a command that names no bot goes to the bot that wrote last', async () => {
  await alice.in(group).sends('/one')
  await say(call, 'I am here')
  await alice.in(group).sends('/two')
  await say(rivalCall, 'So am I')
  await alice.in(group).sends('/three')
  expect(await heard()).toEqual(['/two'])
})

test('a bot receives replies to its messages, and to messages addressed to it', async () => {
  const said = await say(call, 'Hello')
  await alice.in(group).replies(said, 'Hello yourself')
  const command = await alice.in(group).sends('/help@shy_bot')
  const reply = await alice.in(group).replies(command, 'Well?')
  await alice.in(group).replies(reply, 'Still there?')
  const talk = await alice.in(group).sends('nice weather')
  await alice.in(group).replies(talk, 'indeed')
  expect(await heard()).toEqual(['Hello yourself', '/help@shy_bot', 'Well?', 'Still there?'])
})

test('a bot receives messages sent via it, and replies to them', async () => {
  const inline = telegram.createBot({ username: 'inline_bot', privacy: true })
  await alice.in(group).adds(inline)
  const inlineCall = caller(telegram.apiRoot, inline)
  await updatesOf(inlineCall)
  await updatesOf(call)
  const asked = await alice.asks(inline, 'cats')
  const results = [
    { type: 'article', id: '1', title: 'Cat', input_message_content: { message_text: 'A cat' } },
  ]
  await inlineCall('answerInlineQuery', { inline_query_id: asked.query.id, results })
  const cat = await asked.picks('1', group)
  await alice.in(group).replies(cat, 'How sweet')
  const told = await updatesOf(inlineCall)
  expect(told.flatMap(({ message }) => (message as { text?: string } | undefined)?.text ?? [])).toEqual([
    'A cat',
    'How sweet',
  ])
  expect(await heard()).toEqual([])
})

test('a bot receives service messages, private chats, and edits of messages that it received', async () => {
  const bob = telegram.createUser({ firstName: 'Bob' })
  await bob.in(group).joins()
  await bob.to(bot).sends('in private')
  const command = await bob.in(group).sends('/help@shy_bot')
  await bob.in(group).edits(command, '/start@shy_bot')
  expect(await heard()).toEqual(['new_chat_members', 'in private', '/help@shy_bot', '/start@shy_bot'])
})

test('a bot receives service messages, which start no slow mode and are not auto-deleted', async () => {
  const bob = telegram.createUser({ firstName: 'Bob' })
  await bob.in(group).joins()
  await alice.in(group).setsSlowMode('30s')
  await alice.in(group).setsAutoDelete('1h')
  await heard()
  await bob.in(group).sendsContent({ boost_added: { boost_count: 1 } })
  await bob.in(group).sendsContent({ video_chat_started: {} })
  expect(await heard()).toEqual(['boost_added', 'video_chat_started'])
  await bob.in(group).sends('hello')
  telegram.clock.advance('2h')
  expect(group.messages.some(({ video_chat_started }) => video_chat_started !== undefined)).toBe(true)
  expect(group.messages.some(({ text }) => text === 'hello')).toBe(false)
})

test('as an administrator, a bot receives everything except messages of other bots', async () => {
  await alice.in(group).promotes(bot)
  await updatesOf(call)
  await alice.in(group).sends('good morning')
  await say(rivalCall, 'beep')
  expect(await heard()).toEqual(['good morning'])
})

test('a message in a topic that the bot created is not a reply to the bot', async () => {
  const forum = telegram.createGroup({ title: 'Forum', owner: alice, admins: [bot], forum: true })
  const { result } = await call('createForumTopic', { chat_id: forum.id, name: 'Help' })
  await alice.in(forum).demotes(bot)
  await updatesOf(call)
  await alice
    .in(forum)
    .inTopic(result as ForumTopic)
    .sends('small talk')
  expect(await heard()).toEqual([])
})
