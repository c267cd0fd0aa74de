import type { TlObject } from '../../src/mtproto/protocol/tl/object.js'
import { account, alice, ask, onStage, rawBot, telegram } from './stage.js'

onStage()

async function village() {
  const bob = telegram.createUser({ firstName: 'Bob' })
  const group = telegram.createGroup({ title: 'Village', basic: true, owner: alice, admins: [account] })
  const client = await rawBot()
  await ask(client, 'updates.getState')
  const told = async (isIt: (update: TlObject) => boolean) => {
    const updatesOf = ({ answers, object }: { readonly answers?: bigint; readonly object: TlObject }) =>
      answers === undefined && object._ === 'updates' ? (object.updates as readonly TlObject[]) : []
    const { object } = await client.until((came) => updatesOf(came).some(isIt))
    return (object.updates as readonly TlObject[]).find(isIt) as TlObject
  }
  const says = (text: string) => (update: TlObject) =>
    (update.message as TlObject | undefined)?.message === text
  const peer = { _: 'inputPeerChat', chat_id: BigInt(-group.id) } as TlObject
  return { alice, bob, account, group, client, told, says, peer, chat_id: BigInt(-group.id) }
}

test('a basic group is a chat whose messages are numbered with those of the account', async () => {
  const { alice, account, group, told, says, chat_id } = await village()
  await alice.to(account).sends('/start')
  await alice.in(group).sends('good morning')
  const private_ = await told(says('/start'))
  const shared = await told(says('good morning'))
  expect(private_).toMatchObject({ _: 'updateNewMessage', pts_count: 1, message: { id: 1 } })
  expect(shared).toMatchObject({
    _: 'updateNewMessage',
    pts: (private_.pts as number) + 1,
    message: { id: 2, peer_id: { _: 'peerChat', chat_id } },
  })
})

test('its members are listed with dates and inviters, and its version increases', async () => {
  const { alice, bob, account, group, client, chat_id } = await village()
  const whole = () => ask(client, 'messages.getFullChat', { chat_id })
  const before = (await whole()).full_chat as TlObject
  const start = Math.floor(Date.now() / 1000)
  await alice.in(group).adds(bob)
  const { full_chat, chats, users } = (await whole()) as unknown as {
    full_chat: TlObject
    chats: TlObject[]
    users: TlObject[]
  }
  const { participants, version } = full_chat.participants as unknown as {
    participants: TlObject[]
    version: number
  }
  expect(participants).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ _: 'chatParticipantCreator', user_id: BigInt(alice.id) }),
      expect.objectContaining({
        _: 'chatParticipantAdmin',
        user_id: BigInt(account.id),
        inviter_id: BigInt(alice.id),
      }),
      expect.objectContaining({
        _: 'chatParticipant',
        user_id: BigInt(bob.id),
        inviter_id: BigInt(alice.id),
      }),
    ]),
  )
  expect(participants.find(({ user_id }) => user_id === BigInt(bob.id))?.date).toBeGreaterThanOrEqual(start)
  expect(version).toBeGreaterThan((before.participants as unknown as { version: number }).version)
  expect(chats).toMatchObject([{ _: 'chat', title: 'Village', participants_count: 3, admin_rights: {} }])
  expect(users).toHaveLength(3)
  expect(await ask(client, 'messages.getFullChat', { chat_id: chat_id + 1n })).toMatchObject({
    error_message: 'CHAT_ID_INVALID',
  })
})

test('messages can be sent, replied to and deleted in it', async () => {
  const { alice, bob, group, client, told, says, peer } = await village()
  await bob.in(group).joins()
  const question = await bob.in(group).sends('who is there?')
  const { message } = (await told(says('who is there?'))) as unknown as { message: TlObject }
  const reply_to = { _: 'inputReplyToMessage', reply_to_msg_id: message.id } as TlObject
  await ask(client, 'messages.sendMessage', { peer, message: 'I am', random_id: 1n, reply_to })
  expect(group.messages.at(-1)).toMatchObject({
    text: 'I am',
    reply_to_message: { message_id: question.message_id },
  })
  await ask(client, 'messages.deleteMessages', { revoke: true, id: [message.id as number] })
  expect(group.messages.some(({ message_id }) => message_id === question.message_id)).toBe(false)
  await alice.in(group).bans(bob)
  const gone = await told(
    (update) =>
      ((update.message as TlObject | undefined)?.action as TlObject | undefined)?._ ===
      'messageActionChatDeleteUser',
  )
  expect(gone._).toBe('updateNewMessage')
})

test('after an upgrade, the group and the supergroup refer to each other', async () => {
  const { alice, group, client, told, chat_id } = await village()
  const supergroup = await alice.in(group).upgrades()
  const channel_id = BigInt(-supergroup.id - 1_000_000_000_000)
  const actionOf = ({ message }: TlObject) =>
    (message as TlObject | undefined)?.action as TlObject | undefined
  const to = await told((update) => actionOf(update)?._ === 'messageActionChatMigrateTo')
  const from = await told((update) => actionOf(update)?._ === 'messageActionChannelMigrateFrom')
  expect([actionOf(to)?.channel_id, actionOf(from)?.chat_id]).toEqual([channel_id, chat_id])
  expect(await ask(client, 'messages.getChats', { id: [chat_id] })).toMatchObject({
    chats: [{ _: 'chat', deactivated: true, migrated_to: { channel_id } }],
  })
})

test('messages deleted by others are reported', async () => {
  const { alice, account, group, told, says } = await village()
  const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, members: [account] })
  const [one, two, three] = [
    await alice.in(group).sends('in the village'),
    await alice.in(plaza).sends('in the plaza'),
    await alice.to(account).sends('in private'),
  ]
  const ids = await Promise.all(
    ['in the village', 'in private'].map(async (text) => ((await told(says(text))).message as TlObject).id),
  )
  await alice.in(group).deletes(one)
  await alice.in(plaza).deletes(two)
  await alice.to(account).deletes(three)
  for (const id of ids) {
    const isIt = ({ _, messages }: TlObject) =>
      _ === 'updateDeleteMessages' && (messages as unknown[])[0] === id
    expect(await told(isIt)).toMatchObject({ pts_count: 1 })
  }
  const isChannels = ({ _ }: TlObject) => _ === 'updateDeleteChannelMessages'
  expect(await told(isChannels)).toMatchObject({ messages: [two.message_id], pts_count: 1 })
})
