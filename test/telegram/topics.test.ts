import { Api } from 'grammy'
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
let olga: Person
let bob: Person
let forum: TelegramGroup

beforeEach(async () => {
  telegram = await startTelegram({ clock: 'virtual' })
  bot = telegram.createBot({ username: 'topic_bot' })
  olga = telegram.createUser({ firstName: 'Olga' })
  bob = telegram.createUser({ firstName: 'Bob' })
  forum = telegram.createGroup({ title: 'Forum', owner: olga, members: [bob], admins: [bot], forum: true })
  api = new Api(bot.token, { apiRoot: telegram.apiRoot })
  call = caller(telegram.apiRoot, bot)
})
afterEach(() => telegram.close())

test('creating a topic sends a message, whose id the messages in the topic carry', async () => {
  const topic = await api.createForumTopic(forum.id, 'Help', { icon_color: 0xffd67e })
  expect(topic).toEqual({ message_thread_id: 2, name: 'Help', icon_color: 0xffd67e })
  const asked = await bob.in(forum).inTopic(topic).sends('How?')
  expect(asked).toMatchObject({
    chat: { is_forum: true },
    message_thread_id: 2,
    is_topic_message: true,
    reply_to_message: { message_id: 2, forum_topic_created: { name: 'Help' } },
  })
  const told = await api.sendMessage(forum.id, 'So', { message_thread_id: 2 })
  expect(told).toMatchObject({ message_thread_id: 2, is_topic_message: true })
  const replied = await api.sendMessage(forum.id, 'So!', {
    reply_parameters: { message_id: asked.message_id },
  })
  expect(replied).toMatchObject({ message_thread_id: 2, reply_to_message: { text: 'How?' } })
  expect(await bob.in(forum).replies(told, 'Ah')).toMatchObject({ message_thread_id: 2 })
  const general = await bob.in(forum).sends('In General')
  const answer = { reply_parameters: { message_id: general.message_id }, message_thread_id: 0 }
  for (const message of [general, await api.sendMessage(forum.id, 'So', answer)])
    expect(message).not.toHaveProperty('message_thread_id')
  expect(await updatesOf(call)).toMatchObject([
    { message: { forum_topic_created: { name: 'Help' }, from: { id: bot.id } } },
    { message: { text: 'How?', message_thread_id: 2 } },
    { message: { text: 'Ah' } },
    { message: { text: 'In General' } },
  ])
  expect(await api.getChat(forum.id)).toMatchObject({ is_forum: true })
})

test('topics can be renamed, closed, reopened and deleted', async () => {
  const topic = await api.createForumTopic(forum.id, 'Help')
  const id = topic.message_thread_id
  await updatesOf(call)
  await api.editForumTopic(forum.id, id, { name: 'Questions', icon_custom_emoji_id: '5' })
  await api.closeForumTopic(forum.id, id)
  await expect(bob.in(forum).inTopic(topic).sends('Hi')).rejects.toThrow(/TOPIC_CLOSED/)
  await olga.in(forum).inTopic(topic).sends('I may')
  await api.reopenForumTopic(forum.id, id)
  await bob.in(forum).inTopic(topic).sends('Hi')
  expect(await updatesOf(call)).toMatchObject([
    { message: { forum_topic_edited: { name: 'Questions', icon_custom_emoji_id: '5' } } },
    { message: { forum_topic_closed: {}, message_thread_id: id } },
    { message: { text: 'I may' } },
    { message: { forum_topic_reopened: {} } },
    { message: { text: 'Hi' } },
  ])
  expect(await refusalOf(api.reopenForumTopic(forum.id, id))).toBe('Bad Request: TOPIC_NOT_MODIFIED')
  expect(await refusalOf(api.editForumTopic(forum.id, id, {}))).toBe('Bad Request: TOPIC_NOT_MODIFIED')
  await bob.in(forum).sends('Stays')
  await api.deleteForumTopic(forum.id, id)
  expect(forum.messages.map((message) => message.text)).toEqual(['Stays'])
  expect(await refusalOf(api.sendMessage(forum.id, 'x', { message_thread_id: id }))).toBe(
    'Bad Request: message thread not found',
  )
})

test('a reply stays in the topic of its message, also if the General topic is closed', async () => {
  const topic = await api.createForumTopic(forum.id, 'Help')
  const asked = await bob.in(forum).inTopic(topic).sends('How?')
  await api.closeGeneralForumTopic(forum.id)
  await bob.in(forum).replies(asked, 'Anybody?')
  await olga.in(forum).closesTopic(topic)
  await expect(bob.in(forum).replies(asked, 'Nobody?')).rejects.toThrow(/TOPIC_CLOSED/)
})

test('the General topic has its own methods', async () => {
  await api.editGeneralForumTopic(forum.id, 'Lobby')
  await api.hideGeneralForumTopic(forum.id)
  await expect(bob.in(forum).sends('Hi')).rejects.toThrow(/TOPIC_CLOSED/)
  await api.reopenGeneralForumTopic(forum.id)
  await bob.in(forum).sends('Hi')
  await api.closeGeneralForumTopic(forum.id)
  expect(await refusalOf(api.unhideGeneralForumTopic(forum.id))).toBe('Bad Request: TOPIC_NOT_MODIFIED')
  const messages = (await updatesOf(call)).map((update) => update.message)
  expect(messages).toMatchObject([
    { forum_topic_edited: { name: 'Lobby' } },
    { general_forum_topic_hidden: {} },
    { forum_topic_reopened: {} },
    { general_forum_topic_unhidden: {} },
    { text: 'Hi' },
    { forum_topic_closed: {} },
  ])
})

test('people manage topics with the right to, and their creators without', async () => {
  await expect(bob.in(forum).createsTopic('Mine')).rejects.toThrow(/not enough rights to create a topic/)
  const topic = await olga.in(forum).createsTopic('Hers')
  await expect(bob.in(forum).closesTopic(topic)).rejects.toThrow(/not enough rights/)
  await olga.in(forum).renamesTopic(topic, 'Ours')
  await olga.in(forum).closesTopic(topic)
  await olga.in(forum).reopensTopic(topic)
  const own = await api.createForumTopic(forum.id, 'The bot’s')
  await olga.in(forum).demotes(bot)
  await api.closeForumTopic(forum.id, own.message_thread_id)
  await api.sendMessage(forum.id, 'Mine all the same', { message_thread_id: own.message_thread_id })
  expect(await refusalOf(api.closeForumTopic(forum.id, topic.message_thread_id))).toBe(
    'Bad Request: not enough rights to edit the topic',
  )
  expect(await refusalOf(api.deleteForumTopic(forum.id, own.message_thread_id))).toBe(
    'Bad Request: not enough rights to delete the topic',
  )
})

test('the message that created a topic can be deleted only with the topic', async () => {
  const topic = await api.createForumTopic(forum.id, 'Help')
  expect(await refusalOf(api.deleteMessage(forum.id, topic.message_thread_id))).toBe(
    "Bad Request: message can't be deleted",
  )
  await api.deleteForumTopic(forum.id, topic.message_thread_id)
})

test('invalid topics are refused', async () => {
  const plain = telegram.createGroup({ title: 'Plaza', owner: olga, admins: [bot] })
  expect(await refusalOf(api.createForumTopic(plain.id, 'x'))).toBe('Bad Request: the chat is not a forum')
  // In a group without topics, Telegram ignores the thread; in a private chat it looks the thread up and does not find it.
  expect(await api.sendMessage(plain.id, 'x', { message_thread_id: 5 })).not.toHaveProperty(
    'message_thread_id',
  )
  await olga.to(bot).sends('hi')
  expect(await refusalOf(api.sendMessage(olga.id, 'x', { message_thread_id: 5 }))).toBe(
    'Bad Request: message thread not found',
  )
  expect(await refusalOf(api.createForumTopic(forum.id, ' '))).toBe('Bad Request: TOPIC_TITLE_EMPTY')
  const color = 1 as 0xffd67e
  expect(await refusalOf(api.createForumTopic(forum.id, 'x', { icon_color: color }))).toBe(
    'Bad Request: invalid icon color specified',
  )
  await expect(olga.in(plain).createsTopic('x')).rejects.toThrow(/not a forum/)
})
