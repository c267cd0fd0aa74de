import type { TlObject } from '../../src/mtproto/protocol/tl/object.js'
import { account, alice, ask, inputChannel, onStage, rawBot, telegram } from './stage.js'

onStage()

async function plaza(options: { readonly forum?: boolean; readonly isAdmin?: boolean } = {}) {
  const bob = telegram.createUser({ firstName: 'Bob' })
  const bots = options.isAdmin === false ? { members: [account] } : { admins: [account] }
  const group = telegram.createGroup({ title: 'Plaza', owner: alice, forum: options.forum === true, ...bots })
  const client = await rawBot()
  const channel = inputChannel(group)
  const messages = (...id: readonly TlObject[]) => ask(client, 'channels.getMessages', { channel, id })
  const message = async (id: number) => {
    const answer = await messages({ _: 'inputMessageID', id })
    const { messages: found, users, chats } = answer as unknown as Record<string, readonly TlObject[]>
    return { message: found?.[0] as TlObject, users: users ?? [], chats: chats ?? [] }
  }
  return { alice, bob, account, group, client, channel, messages, message }
}

test('a message contains its forward origin, the bot it was sent via, and its flags', async () => {
  const { alice, bob, account, group, message } = await plaza()
  const origin = {
    type: 'user',
    sender_user: { id: bob.id, is_bot: false, first_name: 'Bob' },
    date: 1000,
  } as const
  const sent = await alice.in(group).sendsContent({
    text: 'as he said',
    forward_origin: origin,
    via_bot: { id: account.id, is_bot: true, first_name: 'w' },
    has_protected_content: true,
  })
  await alice.in(group).pins(sent)
  const { message: described, users } = await message(sent.message_id)
  expect(described).toMatchObject({
    message: 'as he said',
    fwd_from: { from_id: { _: 'peerUser', user_id: BigInt(bob.id) }, date: 1000 },
    via_bot_id: BigInt(account.id),
    noforwards: true,
    pinned: true,
  })
  // Everybody whom the message names is included in the answer.
  expect(users.map(({ id }) => Number(id)).sort()).toEqual([alice.id, bob.id, account.id].sort())
})

test('a post that was forwarded automatically names its channel', async () => {
  const { alice, group, message } = await plaza()
  const news = telegram.createChannel({ title: 'News', owner: alice, linkedGroup: group })
  const post = await alice.in(news).posts('we are open')
  const copy = group.messages.find(({ text }) => text === 'we are open')
  const { message: described, chats } = await message(copy?.message_id as number)
  const channel = { _: 'peerChannel', channel_id: BigInt(-news.id - 1_000_000_000_000) }
  expect(described.fwd_from).toMatchObject({
    from_id: channel,
    channel_post: post.message_id,
    saved_from_peer: channel,
    saved_from_msg_id: post.message_id,
  })
  expect(chats).toHaveLength(2)
})

test('messages and replies in a topic refer to the topic', async () => {
  const { alice, group, message } = await plaza({ forum: true })
  const topic = await alice.in(group).createsTopic('Cats')
  const first = await alice.in(group).inTopic(topic).sends('first')
  const answer = await alice.in(group).inTopic(topic).replies(first, 'second')
  const thread = topic.message_thread_id
  const { message: opening } = await message(thread)
  expect(opening.action).toMatchObject({ _: 'messageActionTopicCreate', title: 'Cats' })
  const header = async (id: number) => (await message(id)).message.reply_to as TlObject
  expect(await header(first.message_id)).toMatchObject({ forum_topic: true, reply_to_msg_id: thread })
  expect((await header(first.message_id)).reply_to_top_id).toBeUndefined()
  expect(await header(answer.message_id)).toMatchObject({
    forum_topic: true,
    reply_to_msg_id: first.message_id,
    reply_to_top_id: thread,
  })
})

test('a message can be fetched as the pinned one, or through its reply', async () => {
  const { alice, group, messages } = await plaza()
  const pinned = { _: 'inputMessagePinned' } as TlObject
  expect(await messages(pinned)).toMatchObject({ error_message: 'MESSAGE_IDS_EMPTY' })
  const question = await alice.in(group).sends('who?')
  const answer = await alice.in(group).replies(question, 'me')
  await alice.in(group).pins(question)
  const byAnswer = { _: 'inputMessageReplyTo', id: answer.message_id } as TlObject
  const nothing = { _: 'inputMessageID', id: 99 } as TlObject
  expect((await messages(pinned, byAnswer, nothing)).messages).toMatchObject([
    { message: 'who?', pinned: true },
    { message: 'who?' },
    { _: 'messageEmpty', id: 99 },
  ])
})

test('the latest members are listed first, and only administrators can list banned users', async () => {
  const { alice, bob, account, group, client, channel } = await plaza({ isAdmin: false })
  await bob.in(group).joins()
  const list = async (filter: string, fields: Omit<TlObject, '_'> = {}) =>
    ask(client, 'channels.getParticipants', {
      channel,
      filter: { _: filter, ...fields } as TlObject,
      offset: 0,
      limit: 10,
      hash: 0n,
    })
  const { users } = await list('channelParticipantsRecent')
  expect((users as readonly TlObject[]).map(({ id }) => Number(id))).toEqual([bob.id, alice.id, account.id])
  expect(await list('channelParticipantsContacts', { q: '' })).toMatchObject({ count: 0 })
  for (const filter of ['channelParticipantsKicked', 'channelParticipantsBanned']) {
    expect(await list(filter, { q: '' })).toMatchObject({ error_message: 'CHAT_ADMIN_REQUIRED' })
  }
  await alice.in(group).promotes(account)
  await alice.in(group).bans(bob)
  expect(await list('channelParticipantsKicked', { q: '' })).toMatchObject({ count: 1 })
})

test('common_chats_count counts groups that both are members of', async () => {
  const { alice, bob, group, client } = await plaza()
  await bob.in(group).joins()
  const shared = async () => {
    const id = { _: 'inputUser', user_id: BigInt(bob.id), access_hash: 0n } as TlObject
    return ((await ask(client, 'users.getFullUser', { id })).full_user as TlObject).common_chats_count
  }
  expect(await shared()).toBe(1)
  await alice.in(group).bans(bob)
  expect(await shared()).toBe(0)
})
