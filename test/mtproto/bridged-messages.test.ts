import type { Message, Update } from 'grammy/types'
import type { Content } from '../../src/telegram/index.js'
import { bob, both, client, onBothFaces, plaza, poller } from './both-faces.js'
import { account, alice, face, telegram } from './stage.js'

// What a message refers to: replied-to messages, forward origins, mentioned users.

onBothFaces()

const messages = (updates: unknown[]) => (updates as Update[]).map(({ message }) => message as Message)

test('a reply contains the replied-to message, which is fetched if it is not among the latest', async () => {
  const calls: string[] = []
  client.watch({
    call: (method) => {
      calls.push(method)
      return undefined
    },
  })
  const [old] = plaza.messages as [Message]
  expect(old.text).toBe('are you there?')
  const recent = await alice.in(plaza).replies(old, 'since yesterday')
  await bob.in(plaza).edits(await bob.in(plaza).sends('fien'), 'fine')
  await alice.in(plaza).replies(recent, 'good')
  const { wire, api } = await both(4)
  expect(wire).toEqual(api)
  expect(messages(wire)[0]?.reply_to_message).toMatchObject({ text: 'are you there?', from: { id: bob.id } })
  expect(calls.filter((method) => method.endsWith('getMessages'))).toEqual(['channels.getMessages'])
})

test('a reply contains the replied-to message, in a group', async () => {
  const spam = await bob.in(plaza).sends('buy!')
  const command = await alice.in(plaza).replies(spam, '/ban')
  await bob.in(plaza).replies(command, 'why?')
  const { wire, api } = await both(3)
  expect(wire).toEqual(api)
  const [, banned, asked] = messages(wire)
  expect(banned?.reply_to_message).toMatchObject({ text: 'buy!', from: { id: bob.id } })
  expect(asked?.reply_to_message).not.toHaveProperty('reply_to_message')
  expect(asked?.message_thread_id).toBe(spam.message_id)
})

test('a reply contains the replied-to message, in private and in a basic group', async () => {
  const cellar = telegram.createGroup({ title: 'Cellar', owner: alice, members: [bob, account], basic: true })
  const hello = await alice.to(account).sends('hello')
  await both(1)
  const answer = await poller.api.sendMessage(alice.id, 'Your name?', { reply_markup: { force_reply: true } })
  await alice.to(account).replies(hello, 'I said')
  await both(2)
  await alice.to(account).replies(answer, 'Alice')
  await both(3)
  const question = await bob.in(cellar).sends('who?')
  await alice.in(cellar).replies(question, 'me')
  const { wire, api } = await both(5)
  const texts = (updates: unknown[]) =>
    messages(updates).map(({ text, reply_to_message: replied }) => [text, replied?.text, replied?.from])
  expect(texts(wire)).toEqual(texts(api))
  expect(texts(wire)[2]?.slice(0, 2)).toEqual(['Alice', 'Your name?'])
})

test('a reply contains the effect of the replied-to message', async () => {
  await alice.to(account).sends('hello')
  await both(1)
  const effect = '5104841245755180586'
  const sent = await poller.api.sendMessage(alice.id, 'hi', { message_effect_id: effect })
  await alice.to(account).replies(sent, 'thanks')
  const { wire, api } = await both(2)
  expect(wire).toEqual(api)
  expect(messages(wire)[1]?.reply_to_message).toMatchObject({ text: 'hi', effect_id: effect })
})

test('quotes, and replies to messages of other chats', async () => {
  const cave = telegram.createGroup({ title: 'Cave', owner: alice, members: [bob], admins: [account] })
  const said = await bob.in(plaza).sends('to be or not to be')
  const there = await bob.in(cave).sends('elsewhere')
  const photo = await bob.in(cave).sendsPhoto('cat.jpg')
  await both(3)
  const send = (parameters: object) =>
    alice.in(plaza).sendsContent({ text: 'indeed', ...parameters } as Content)
  await send({
    reply_to_message: said,
    message_thread_id: said.message_id,
    quote: { text: 'be', entities: [{ type: 'bold', offset: 0, length: 2 }], position: 3, is_manual: true },
  })
  const origin = { type: 'user', sender_user: there.from, date: there.date }
  const elsewhere = { origin, chat: there.chat, message_id: there.message_id }
  await send({ external_reply: elsewhere, quote: { text: 'else', position: 0 } })
  await send({ external_reply: { ...elsewhere, message_id: photo.message_id, photo: photo.photo } })
  const { wire, api } = await both(6)
  // Updates of different chats have no fixed order.
  const replies = (updates: unknown[]) => messages(updates).filter(({ text }) => text === 'indeed')
  const [quoted, outside, pictured] = replies(wire)
  expect([quoted, outside]).toEqual(replies(api).slice(0, 2))
  expect(pictured?.external_reply).toMatchObject({ origin, message_id: photo.message_id })
  expect(pictured?.external_reply?.photo).toHaveLength(3)
})

test('forwards, mentions of users without a username, tags and explanations', async () => {
  const eve = telegram.createUser({ firstName: 'Eve' })
  const news = telegram.createChannel({ title: 'News', owner: alice, linkedGroup: plaza })
  await poller.api.setChatMemberTag(plaza.id, bob.id, 'helper')
  // Updates of members and messages have no fixed order.
  await both(1)
  const user = { id: eve.id, is_bot: false, first_name: 'Eve' }
  await bob.in(plaza).sendsContent({
    text: 'Eve',
    forward_origin: { type: 'user', sender_user: user, date: 1000 },
    entities: [{ type: 'text_mention', offset: 0, length: 3, user }],
  })
  await bob.in(plaza).sendsContent({
    text: 'fwd',
    forward_origin: { type: 'hidden_user', sender_user_name: 'X', date: 1000 },
  })
  const said = await alice.in(plaza).anonymously().sends('we')
  await bob.in(plaza).sendsContent({
    text: 'we',
    forward_origin: { type: 'chat', sender_chat: said.chat, author_signature: 'Boss', date: 1000 },
  })
  await alice.in(news).posts('we are open')
  await bob.in(plaza).sendsPoll('2 + 2?', ['3', '4'], { correct: 1 })
  const { wire, api } = await both(7)
  expect(wire).toEqual(api)
})

test('if Telegram refuses the replied-to message, the reply arrives without it, and one error is reported', async () => {
  const errors: unknown[] = []
  client.onError((error) => errors.push(error))
  const [spam] = plaza.messages as [Message]
  face.fail('channels.getMessages', 420, 'FLOOD_WAIT_60')
  await alice.in(plaza).replies(spam, '/ban')
  await both(1)
  await alice.in(plaza).replies(spam, '/ban, I said')
  await alice.in(plaza).sends('and now?')
  const { wire } = await both(3)
  const [banned, again, after] = messages(wire)
  for (const message of [banned, again])
    expect(message?.reply_to_message).toEqual({ message_id: spam.message_id, chat: spam.chat, date: 0 })
  expect(after?.text).toBe('and now?')
  expect(errors).toMatchObject([{ code: 'mtproto.flood' }])
})

test('pins, topics and auto-delete timers', async () => {
  const forum = telegram.createGroup({
    title: 'Forum',
    owner: alice,
    members: [bob],
    admins: [account],
    forum: true,
  })
  const said = await bob.in(plaza).sends('look')
  await alice.in(plaza).pins(said)
  await alice.in(plaza).setsAutoDelete('1d')
  await both(3)
  const topic = await alice.in(forum).createsTopic('Cats')
  const first = await bob.in(forum).inTopic(topic).sends('first')
  await alice.in(forum).inTopic(topic).replies(first, 'second')
  await alice.in(forum).inTopic(topic).pins(first)
  await alice.in(forum).closesTopic(topic)
  const { wire, api } = await both(8)
  // A message in a topic that is not a reply does not come with the message that opened the topic.
  const explicit = (api as Update[]).map(({ message }) => {
    const { reply_to_message: replied, ...rest } = message as Message
    const isImplicit = replied?.message_id === topic.message_thread_id
    return {
      message: { ...rest, ...(replied !== undefined && !isImplicit && { reply_to_message: replied }) },
    }
  })
  expect(wire).toEqual(explicit)
})
