import type { TlObject } from '../../src/mtproto/protocol/tl/object.js'
import { account, alice, inputChannel, onStage, rawBot, telegram } from './stage.js'

onStage()

const plaza = async () => {
  const person = (firstName: string) => telegram.createUser({ firstName })
  const [bob, carol, dave] = [person('Bob'), person('Carol'), person('Dave')]
  const group = telegram.createGroup({
    title: 'Plaza',
    owner: alice,
    admins: [account, { who: dave, rights: { can_restrict_members: false } }],
  })
  const client = await rawBot()
  const channel = inputChannel(group)
  const stands = async (who: { readonly id: number }) => {
    const participant = { _: 'inputPeerUser', user_id: BigInt(who.id), access_hash: 0n }
    const answer = (await client.call({ _: 'channels.getParticipant', channel, participant })) as TlObject
    return (answer.participant ?? answer) as TlObject
  }
  const described = async () => {
    const { chats } = (await client.call({ _: 'channels.getChannels', id: [channel] })) as unknown as {
      chats: TlObject[]
    }
    return chats[0]
  }
  return { alice, bob, carol, dave, account, group, stands, described }
}

test('channels.getParticipant returns dates, inviters, restrictions and rights', async () => {
  const before = Math.floor(Date.now() / 1000)
  const { alice, bob, carol, dave, account, group, stands } = await plaza()
  await bob.in(group).joins()
  await alice.in(group).adds(carol)
  await alice.in(group).restricts(carol, { can_send_messages: true })
  const byAlice = { kicked_by: BigInt(alice.id), left: true }
  expect(await stands(alice)).toMatchObject({
    _: 'channelParticipantCreator',
    admin_rights: { change_info: true, add_admins: true, other: true },
  })
  // Alice does not have the right to be anonymous, unless it is requested.
  expect((await stands(alice)).admin_rights).not.toHaveProperty('anonymous')
  expect(await stands(dave)).toMatchObject({
    promoted_by: BigInt(alice.id),
    admin_rights: { delete_messages: true },
  })
  expect((await stands(dave)).self).toBeUndefined()
  expect((await stands(dave)).admin_rights).not.toHaveProperty('ban_users')
  expect(await stands(account)).toMatchObject({ self: true, inviter_id: BigInt(alice.id) })
  for (const who of [bob, dave, account]) {
    expect((await stands(who)).date).toBeGreaterThanOrEqual(before)
  }
  const { banned_rights: restricted } = await stands(carol)
  expect(restricted).toMatchObject({ send_photos: true, send_polls: true, send_media: true })
  expect(restricted).not.toHaveProperty('send_plain')
  expect(restricted).not.toHaveProperty('send_messages')
  await alice.in(group).bans(bob)
  expect(await stands(bob)).toMatchObject({
    ...byAlice,
    banned_rights: { view_messages: true, until_date: 2_147_483_647 },
  })
})

test('a group has default restrictions, a date and the rights of the viewer', async () => {
  const { alice, group, described } = await plaza()
  expect(await described()).toMatchObject({
    date: expect.closeTo(Date.now() / 1000, -3),
    default_banned_rights: { change_info: true, pin_messages: true, until_date: 2_147_483_647 },
    admin_rights: { ban_users: true },
  })
  const { default_banned_rights: usual } = (await described()) as TlObject
  expect(usual).not.toHaveProperty('send_plain')
  expect(usual).not.toHaveProperty('send_messages')
  await alice.in(group).permits({ can_send_messages: true })
  expect(((await described()) as TlObject).default_banned_rights).toMatchObject({
    send_media: true,
    send_polls: true,
  })
  await alice.in(group).permits({})
  expect(((await described()) as TlObject).default_banned_rights).toMatchObject({
    send_plain: true,
    send_messages: true,
  })
})
