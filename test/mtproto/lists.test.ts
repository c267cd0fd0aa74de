import type { TlObject } from '../../src/mtproto/protocol/tl/object.js'
import type { RawClient } from './raw-client.js'
import { alice, ask, face, kept, onStage, raw, account as shop, telegram } from './stage.js'

onStage({ bot: { username: 'shop_bot', privacy: true, inline: false }, alice: { languageCode: 'de' } })

const PHONE = '491701234567'

beforeEach(async () => {
  face.givePhone(alice, PHONE)
})

async function asAlice(): Promise<RawClient> {
  const client = await raw()
  const settings = { _: 'codeSettings' }
  const login = { phone_number: PHONE, api_id: 1, api_hash: '', settings }
  const { phone_code_hash } = await ask(client, 'auth.sendCode', login)
  const phone_code = face.codeFor(PHONE)
  const signedIn = await ask(client, 'auth.signIn', { phone_number: PHONE, phone_code_hash, phone_code })
  expect(signedIn._).toBe('auth.authorization')
  return client
}

const EVERYTHING = {
  offset_date: 0,
  offset_id: 0,
  offset_peer: { _: 'inputPeerEmpty' },
  limit: 100,
  hash: 0n,
}
const dialogsOf = (answer: TlObject) => answer.dialogs as readonly TlObject[]
const peersOf = (answer: TlObject) =>
  dialogsOf(answer).map(({ peer }) => {
    const { user_id, channel_id } = peer as TlObject
    return channel_id === undefined ? Number(user_id) : -1_000_000_000_000 - Number(channel_id)
  })

test('dialogs are listed by their latest message, page by page, and the archive is empty', async () => {
  const groups = ['One', 'Two', 'Three'].map((title) =>
    telegram.createGroup({ title, owner: alice, admins: [shop] }),
  )
  const [one, two, three] = groups as [(typeof groups)[0], (typeof groups)[0], (typeof groups)[0]]
  for (const group of groups) await alice.in(group).sends('first')
  await alice.to(shop).sends('/start')
  await alice.in(two).sends('later')
  const client = await asAlice()
  const inOrder = [two.id, shop.id, three.id, one.id]
  expect(peersOf(await ask(client, 'messages.getDialogs', EVERYTHING))).toEqual(inOrder)
  const first = await ask(client, 'messages.getDialogs', { ...EVERYTHING, limit: 2 })
  expect(first).toMatchObject({ _: 'messages.dialogsSlice', count: 4 })
  const user = (first.users as readonly TlObject[]).find(({ id }) => id === BigInt(shop.id)) as TlObject
  const after = { _: 'inputPeerUser', user_id: user.id, access_hash: user.access_hash } as TlObject
  const second = await ask(client, 'messages.getDialogs', { ...EVERYTHING, offset_peer: after, limit: 2 })
  expect([...peersOf(first), ...peersOf(second)]).toEqual(inOrder)
  expect(await ask(client, 'messages.getDialogs', { ...EVERYTHING, folder_id: 1 })).toMatchObject({
    dialogs: [],
  })
  expect(await ask(client, 'messages.getPinnedDialogs', { folder_id: 0 })).toMatchObject({ dialogs: [] })
})

test('unread messages are counted, until they are read', async () => {
  const bob = telegram.createUser({ firstName: 'Bob' })
  const group = telegram.createGroup({ title: 'Plaza', owner: alice, members: [bob] })
  await bob.in(group).sends('one')
  const two = await bob.in(group).sends('two')
  await alice.in(group).sends('my own')
  const client = await asAlice()
  const { chats, ...before } = await ask(client, 'messages.getDialogs', EVERYTHING)
  expect(dialogsOf(before as TlObject)).toMatchObject([{ unread_count: 2, read_inbox_max_id: 0 }])
  const { id: channel_id, access_hash } = (chats as readonly TlObject[])[0] as TlObject
  const channel = { _: 'inputChannel', channel_id, access_hash } as TlObject
  expect(await ask(client, 'channels.readHistory', { channel, max_id: two.message_id })).toEqual({
    _: 'value',
    value: true,
  })
  const peer = { ...channel, _: 'inputPeerChannel' }
  const one = await ask(client, 'messages.getPeerDialogs', { peers: [{ _: 'inputDialogPeer', peer }] })
  expect(dialogsOf(one)).toMatchObject([
    { unread_count: 0, read_inbox_max_id: two.message_id, top_message: 3 },
  ])
})

test('a session gets its own message in the answer, and other sessions of the account get it as an update', async () => {
  const group = telegram.createGroup({ title: 'Plaza', owner: alice })
  const [here, there] = [await asAlice(), await asAlice()]
  await ask(here, 'updates.getState')
  await ask(there, 'updates.getState')
  const { chats } = await ask(here, 'messages.getDialogs', EVERYTHING)
  const { id, access_hash } = (chats as readonly TlObject[])[0] as TlObject
  const peer = { _: 'inputPeerChannel', channel_id: id, access_hash } as TlObject
  const sent = await ask(here, 'messages.sendMessage', { peer, message: 'hello', random_id: 7n })
  expect(sent.updates).toMatchObject([
    { _: 'updateMessageID', random_id: 7n },
    { _: 'updateNewChannelMessage', message: { message: 'hello' } },
  ])
  const isTold = ({ object }: { readonly object: TlObject }) => object._ === 'updates'
  const told = await there.until(({ answers, object }) => answers === undefined && isTold({ object }))
  expect(told.object.updates).toMatchObject([{ message: { message: 'hello' } }])
  await ask(here, 'updates.getState')
  expect(here.came.filter(({ answers }) => answers === undefined).some(isTold)).toBe(false)
  expect(group.messages).toHaveLength(1)
})

test('flags of a bot follow its settings, and phone numbers are shown only to their owners', async () => {
  await alice.to(shop).sends('/start')
  const client = await asAlice()
  const { users } = await ask(client, 'messages.getDialogs', EVERYTHING)
  const [self, bot] = [alice, shop].map(({ id }) =>
    (users as readonly TlObject[]).find((user) => user.id === BigInt(id)),
  )
  expect(self).toMatchObject({ self: true, phone: PHONE })
  expect(self).not.toHaveProperty('lang_code')
  expect(bot).toMatchObject({ bot: true })
  for (const field of ['phone', 'bot_chat_history', 'bot_inline_placeholder', 'bot_nochats']) {
    expect(bot).not.toHaveProperty(field)
  }
})

test('an unsupported method is named even without login', async () => {
  const client = await raw()
  expect(await ask(client, 'help.getPeerColors', { hash: 0 })).toMatchObject({
    error_message: 'METHOD_NOT_IMPLEMENTED: help.getPeerColors',
  })
  expect(await ask(client, 'messages.getPinnedDialogs', { folder_id: 0 })).toMatchObject({
    error_code: 401,
    error_message: 'AUTH_KEY_UNREGISTERED',
  })
})

test('a session that only transfers files receives no updates', async () => {
  const group = telegram.createGroup({ title: 'Plaza', owner: alice })
  const [main, files] = [await asAlice(), await asAlice()]
  await ask(main, 'updates.getState')
  const mover = kept(await files.again(face.address.port))
  mover.sessionId += 1n
  await ask(mover, 'upload.saveFilePart', { file_id: 1n, file_part: 0, bytes: Buffer.alloc(1024) })
  await alice.in(group).sends('hello')
  await main.until(({ object }) => object._ === 'updates')
  await ask(mover, 'upload.saveFilePart', { file_id: 1n, file_part: 1, bytes: Buffer.alloc(1024) })
  expect(mover.came.filter(({ object }) => object._ === 'updates')).toEqual([])
})
