import { Api, GrammyError } from 'grammy'
import { type Person, startTelegram, type Telegram, type TelegramBot } from '../../src/telegram/index.js'
import { type Caller, caller, refusalOf, updatesOf } from './calling.js'

let telegram: Telegram
let bot: TelegramBot
let api: Api
let call: Caller
let alice: Person
let bob: Person

beforeEach(async () => {
  telegram = await startTelegram({ clock: 'virtual' })
  bot = telegram.createBot({ username: 'moving_bot' })
  alice = telegram.createUser({ firstName: 'Alice' })
  bob = telegram.createUser({ firstName: 'Bob' })
  api = new Api(bot.token, { apiRoot: telegram.apiRoot })
  call = caller(telegram.apiRoot, bot)
})
afterEach(() => telegram.close())

test('a basic group has type group, and supports neither restrictions nor topics', async () => {
  const group = telegram.createGroup({
    title: 'Plaza',
    owner: alice,
    members: [bob],
    admins: [bot],
    basic: true,
  })
  expect(group.id).toBeLessThan(0)
  expect(group.id).toBeGreaterThan(-1_000_000_000_000)
  await bob.in(group).sends('hi')
  expect(await updatesOf(call)).toMatchObject([{ message: { chat: { id: group.id, type: 'group' } } }])
  expect(await api.getChat(group.id)).toMatchObject({ type: 'group', title: 'Plaza' })
  expect(await refusalOf(api.restrictChatMember(group.id, bob.id, {}))).toBe(
    'Bad Request: method is available only for supergroups',
  )
  expect(await refusalOf(api.promoteChatMember(group.id, bob.id))).toBe(
    'Bad Request: method is available for supergroup and channel chats only',
  )
  await api.banChatMember(group.id, bob.id)
  expect(group.member(bob).status).toBe('left')
  expect(() => telegram.createGroup({ title: 'Forum', owner: alice, basic: true, forum: true })).toThrow(
    /neither topics nor a username/,
  )
})

test('an upgrade to a supergroup causes updates in both chats, and refusals name the new id', async () => {
  const group = telegram.createGroup({
    title: 'Plaza',
    owner: alice,
    members: [bob],
    admins: [bot],
    basic: true,
  })
  await expect(bob.in(group).upgrades()).rejects.toThrow(/CHAT_ADMIN_REQUIRED/)
  const supergroup = await alice.in(group).upgrades()
  expect(await updatesOf(call)).toMatchObject([
    { message: { chat: { id: group.id, type: 'group' }, migrate_to_chat_id: supergroup.id } },
    { message: { chat: { id: supergroup.id, type: 'supergroup' }, migrate_from_chat_id: group.id } },
  ])
  const refusal = await api.sendMessage(group.id, 'hi').catch((error: unknown) => error)
  if (!(refusal instanceof GrammyError)) throw refusal
  expect(refusal.description).toBe('Bad Request: group chat was upgraded to a supergroup chat')
  expect(refusal.parameters).toEqual({ migrate_to_chat_id: supergroup.id })
  await api.sendMessage(supergroup.id, 'hi')
  expect(supergroup.member(alice).status).toBe('creator')
  expect(supergroup.member(bob).status).toBe('member')
  await api.restrictChatMember(supergroup.id, bob.id, { can_send_messages: false })
  await expect(alice.in(group).sends('still here?')).rejects.toThrow(/was upgraded/)
  await expect(alice.in(group).upgrades()).rejects.toThrow(/was upgraded/)
})

test('an upgraded group accepts no further actions, and its invite links lead into the supergroup', async () => {
  const group = telegram.createGroup({
    title: 'Plaza',
    owner: alice,
    members: [bob],
    admins: [bot],
    basic: true,
  })
  const carol = telegram.createUser({ firstName: 'Carol' })
  const dave = telegram.createUser({ firstName: 'Dave' })
  const erin = telegram.createUser({ firstName: 'Erin' })
  const link = await alice.in(group).makesInviteLink()
  const gate = await alice.in(group).makesInviteLink({ createsJoinRequest: true })
  expect(await erin.joinsBy(gate)).toBe('requested')
  const message = await bob.in(group).sends('hi')
  const supergroup = await alice.in(group).upgrades()
  await updatesOf(call)

  const deeds = [
    () => carol.in(group).joins(),
    () => carol.in(group).requestsToJoin(),
    () => bob.in(group).leaves(),
    () => bob.in(group).adds(carol),
    () => alice.in(group).bans(bob),
    () => alice.in(group).pins(message),
    () => alice.in(group).setsTitle('Square'),
    () => alice.in(group).makesInviteLink(),
  ]
  for (const deed of deeds) await expect(deed()).rejects.toThrow(/upgraded to a supergroup/)
  expect(await updatesOf(call)).toEqual([])

  expect(await carol.joinsBy(link)).toBe('joined')
  expect(await dave.joinsBy(gate)).toBe('requested')
  await alice.in(supergroup).approves(erin)
  expect([carol, dave, erin].map((who) => supergroup.member(who).status)).toEqual([
    'member',
    'left',
    'member',
  ])
  const told = await updatesOf(call)
  expect(told.length).toBeGreaterThan(0)
  for (const update of told)
    expect(Object.values(update).find((value) => typeof value === 'object')).toMatchObject({
      chat: { id: supergroup.id },
    })
})
