import type { TelegramClient } from '@mtcute/core/client.js'
import type { MtprotoClient } from '../../src/mtproto/index.js'
import type { Person } from '../../src/telegram/index.js'
import { alice, person as logIn, onStage, telegram } from './stage.js'

onStage({ alice: { lastName: 'Example' } })

let client: MtprotoClient
let raw: TelegramClient

beforeEach(async () => {
  client = await logIn()
  raw = await client.raw()
})

/** Reads every getter of mtcute's objects, recursively, since each getter parses a part of the answer; returns the number. */
function readAll(value: unknown, seen = new Set<unknown>(), path = 'it'): number {
  if (typeof value !== 'object' || value === null || seen.has(value) || ArrayBuffer.isView(value)) return 0
  seen.add(value)
  if (Array.isArray(value))
    return value.reduce((sum, each, n) => sum + readAll(each, seen, `${path}[${n}]`), 0)
  let read = 0
  for (let of = value; of !== null && of !== Object.prototype; of = Object.getPrototypeOf(of)) {
    for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(of))) {
      // Getters of links throw for private chats.
      if (get === undefined || name === '__proto__' || name === 'link') continue
      read++
      let found: unknown
      try {
        found = get.call(value)
      } catch (error) {
        throw new Error(`${path}.${name}: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        })
      }
      read += readAll(found, seen, `${path}.${name}`)
    }
  }
  return read
}

test('mtcute can parse everything that a person may look at', async () => {
  const bob = telegram.createUser({ firstName: 'Bob', username: 'bob', isPremium: true })
  const shop = telegram.createBot({ username: 'shop_bot' })
  const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [shop], username: 'plaza' })
  const village = telegram.createGroup({ title: 'Village', basic: true, owner: alice, admins: [shop] })
  const forum = telegram.createGroup({ title: 'Forum', forum: true, owner: alice, members: [bob] })
  const news = telegram.createChannel({ title: 'News', owner: alice, linkedGroup: plaza })
  for (const group of [plaza, village]) {
    await bob.in(group).joins()
    await alice.in(group).sends('look at https://example.com, @bob')
    const asked = await bob.in(group).sends('really?')
    await alice.in(group).replies(asked, 'really')
    await alice.in(group).pins(asked)
  }
  await alice.in(plaza).restricts(bob, { can_send_messages: true })
  await alice.in(news).posts('we are open')
  const topic = await alice.in(forum).createsTopic('Cats')
  await bob.in(forum).inTopic(topic).sends('meow')
  await alice.to(shop).sends('/start')

  const dialogs = []
  for await (const dialog of raw.iterDialogs()) dialogs.push(dialog)
  expect(dialogs.map(({ peer }) => peer.id).sort()).toEqual(
    [shop.id, plaza.id, village.id, forum.id, news.id].sort(),
  )
  expect(readAll(dialogs)).toBeGreaterThan(200)
  for (const id of [plaza.id, village.id, forum.id, news.id, shop.id]) {
    const history = await raw.getHistory(id)
    expect(history.length).toBeGreaterThan(0)
    expect(readAll([...history])).toBeGreaterThan(20)
  }
  for (const id of [plaza.id, village.id, forum.id, news.id]) {
    expect(readAll(await raw.getFullChat(id))).toBeGreaterThan(5)
    const members = await raw.getChatMembers(id)
    expect(members.length).toBeGreaterThan(0)
    expect(readAll([...members])).toBeGreaterThan(5)
  }
  for (const id of [shop.id, bob.id]) expect(readAll(await raw.getFullUser(id))).toBeGreaterThan(5)
  expect(readAll(await raw.getMe())).toBeGreaterThan(5)
  const [village1] = await raw.getChatMembers(village.id, { type: 'admins' })
  expect(village1?.user.id).toBeDefined()
})

test('mtcute parses messages, members, chats and dialogs correctly', async () => {
  const bob = telegram.createUser({ firstName: 'Bob', username: 'bob' })
  const shop = telegram.createBot({ username: 'shop_bot' })
  const plaza = telegram.createGroup({
    title: 'Plaza',
    owner: alice,
    admins: [shop],
    members: [bob],
    username: 'plaza',
  })
  const asked = await bob.in(plaza).sends('really?')
  const answer = await alice.in(plaza).replies(asked, 'really')
  await alice.in(plaza).restricts(bob, { can_send_messages: true }, { for: '2h' })
  const [first, second] = await raw.getMessages('plaza', [asked.message_id, answer.message_id])
  expect([first?.text, first?.sender.id, first?.isOutgoing]).toEqual(['really?', bob.id, false])
  expect([second?.isOutgoing, second?.replyToMessage?.id]).toEqual([true, asked.message_id])
  const members = await raw.getChatMembers('plaza')
  const statusOf = (id: number) => members.find(({ user }) => user.id === id)
  expect([alice, shop, bob].map(({ id }) => statusOf(id)?.status)).toEqual(['creator', 'admin', 'restricted'])
  const { restrictions } = statusOf(bob.id) ?? {}
  expect([restrictions?.canSendText, restrictions?.canSendPhotos]).toEqual([true, false])
  expect(restrictions?.untilDate?.getTime()).toBeGreaterThan(Date.now())
  const chat = await raw.getChat('plaza')
  expect([chat.isCreator, chat.chatType, chat.defaultPermissions?.canSendText]).toEqual([
    true,
    'supergroup',
    true,
  ])
  expect(chat.defaultPermissions?.canPinMessages).toBe(false)
  await raw.readHistory('plaza', { maxId: answer.message_id })
  const [dialog] = await raw.getPeerDialogs('plaza')
  expect([dialog?.unreadCount, dialog?.lastMessage?.text]).toEqual([0, 'really'])
})

test('a permanent ban has no end, and a ban names who banned', async () => {
  const [bob, carol] = ['Bob', 'Carol'].map((firstName) => telegram.createUser({ firstName })) as [
    Person,
    Person,
  ]
  const plaza = telegram.createGroup({
    title: 'Plaza',
    owner: alice,
    members: [bob, carol],
    username: 'plaza',
  })
  await alice.in(plaza).bans(bob)
  await alice.in(plaza).bans(carol, { for: '2h' })
  const banned = new Map<number, { readonly bannedBy?: number; readonly bannedUntil?: number }>()
  for await (const member of client.members('plaza', { filter: 'banned' })) banned.set(member.user.id, member)
  expect(banned.get(bob.id)).toMatchObject({ status: 'banned', bannedBy: alice.id })
  expect(banned.get(bob.id)?.bannedUntil).toBeUndefined()
  expect(banned.get(carol.id)?.bannedUntil).toBeGreaterThan(Date.now())
})
