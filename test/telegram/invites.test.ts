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
let carl: Person
let group: TelegramGroup

const EVERYTHING = ['message', 'chat_member', 'chat_join_request']

beforeEach(async () => {
  telegram = await startTelegram({ clock: 'virtual' })
  bot = telegram.createBot({ username: 'door_bot', joinRequestQueries: true })
  olga = telegram.createUser({ firstName: 'Olga' })
  bob = telegram.createUser({ firstName: 'Bob' })
  carl = telegram.createUser({ firstName: 'Carl' })
  group = telegram.createGroup({ title: 'Plaza', owner: olga, admins: [bot] })
  api = new Api(bot.token, { apiRoot: telegram.apiRoot })
  call = caller(telegram.apiRoot, bot)
  await updatesOf(call, EVERYTHING)
})
afterEach(() => telegram.close())

const seconds = () => Math.floor(telegram.clock.now() / 1000)

test('a user can join by a link, and the update names the link', async () => {
  const link = await api.createChatInviteLink(group.id, { name: 'Friends', member_limit: 1 })
  expect(link).toMatchObject({
    invite_link: expect.stringMatching(/^https:\/\/t\.me\/\+[\w-]{16}$/),
    creator: { id: bot.id },
    name: 'Friends',
    member_limit: 1,
    creates_join_request: false,
    is_primary: false,
    is_revoked: false,
  })
  expect(await bob.joinsBy(link)).toBe('joined')
  expect(await updatesOf(call)).toMatchObject([
    { chat_member: { from: { id: bob.id }, new_chat_member: { status: 'member' }, invite_link: link } },
    { message: { new_chat_members: [{ id: bob.id }] } },
  ])
  await expect(carl.joinsBy(link)).rejects.toThrow(/USERS_TOO_MUCH/)
  await bob.in(group).leaves()
  expect(await carl.joinsBy(link.invite_link)).toBe('joined')
})

test('a link ends when it expires or is revoked, and an edit can renew it', async () => {
  const link = await api.createChatInviteLink(group.id, { expire_date: seconds() + 60 })
  telegram.clock.advance('1m')
  await expect(bob.joinsBy(link)).rejects.toThrow(
    /Bob cannot join by that invite link: .*INVITE_HASH_EXPIRED/,
  )
  const edited = await api.editChatInviteLink(group.id, link.invite_link, { name: 'Again' })
  expect(edited).toMatchObject({ name: 'Again', invite_link: link.invite_link })
  expect(edited).not.toHaveProperty('expire_date')
  expect(await bob.joinsBy(link)).toBe('joined')
  expect(await api.revokeChatInviteLink(group.id, link.invite_link)).toMatchObject({ is_revoked: true })
  await expect(carl.joinsBy(link)).rejects.toThrow(/INVITE_HASH_EXPIRED/)
  expect(await refusalOf(api.editChatInviteLink(group.id, link.invite_link))).toBe(
    'Bad Request: INVITE_HASH_EXPIRED',
  )
})

test('there is one primary link, and a new one revokes the previous one', async () => {
  const first = await api.exportChatInviteLink(group.id)
  expect(await api.getChat(group.id)).toMatchObject({ invite_link: first })
  const second = await api.exportChatInviteLink(group.id)
  await expect(bob.joinsBy(first)).rejects.toThrow(/INVITE_HASH_EXPIRED/)
  expect(await refusalOf(api.editChatInviteLink(group.id, second, { name: 'x' }))).toBe(
    'Bad Request: CHAT_INVITE_PERMANENT',
  )
  expect(await api.revokeChatInviteLink(group.id, second)).toMatchObject({
    is_primary: true,
    is_revoked: true,
  })
  const third = (await api.getChat(group.id)).invite_link
  expect(third).not.toBe(second)
  expect(await bob.joinsBy(third!)).toBe('joined')
})

test('a bot sees only the beginning of links that others created', async () => {
  const link = await olga.in(group).makesInviteLink({ for: '1d', memberLimit: 5 })
  expect(link).toMatchObject({ creator: { id: olga.id }, expire_date: seconds() + 86_400 })
  await bob.joinsBy(link)
  const seen = (await updatesOf(call))[0] as { chat_member: { invite_link: { invite_link: string } } }
  const shown = seen.chat_member.invite_link.invite_link
  expect(shown).toMatch(/^https:\/\/t\.me\/\+[\w-]{8}…$/)
  expect(link.invite_link.startsWith(shown.slice(0, -1))).toBe(true)
  expect(await refusalOf(api.revokeChatInviteLink(group.id, link.invite_link))).toBe(
    'Bad Request: INVITE_HASH_EXPIRED',
  )
  await olga.in(group).revokesInviteLink(link)
  await expect(carl.joinsBy(link)).rejects.toThrow(/INVITE_HASH_EXPIRED/)
})

test('a mistyped term of a link is refused, because the link would let everybody in', async () => {
  const mistyped: object = { byRequest: true }
  await expect(olga.in(group).makesInviteLink(mistyped)).rejects.toMatchObject({
    code: 'option.unknown',
    message:
      'makesInviteLink.byRequest: there is no such option. Options: name, for, memberLimit, createsJoinRequest.',
  })
})

test('invalid links and calls without the right are refused', async () => {
  const make = (terms: Parameters<Api['createChatInviteLink']>[1]) =>
    refusalOf(api.createChatInviteLink(group.id, terms))
  expect(await make({ member_limit: 5, creates_join_request: true })).toBe(
    "Bad Request: member limit can't be specified for links requiring administrator approval",
  )
  expect(await make({ member_limit: 100_000 })).toBe('Bad Request: USAGE_LIMIT_INVALID')
  expect(await make({ expire_date: seconds() - 1 })).toBe('Bad Request: EXPIRE_DATE_INVALID')
  await olga.in(group).bans(bob)
  const link = await api.createChatInviteLink(group.id)
  await expect(bob.joinsBy(link)).rejects.toThrow(/BANNED/)
  await expect(olga.joinsBy(link)).rejects.toThrow(/USER_ALREADY_PARTICIPANT/)
  await expect(carl.joinsBy('https://t.me/+nonsense')).rejects.toThrow(/INVITE_HASH_INVALID/)
  await expect(carl.in(group).makesInviteLink()).rejects.toThrow(/not enough rights/)
  await olga.in(group).demotes(bot)
  expect(await make({})).toBe('Bad Request: not enough rights to manage chat invite link')
  await expect(carl.joinsBy(link)).rejects.toThrow(/INVITE_HASH_EXPIRED/)
})

test('a request by a link can be answered as a query within ten seconds', async () => {
  const link = await api.createChatInviteLink(group.id, { creates_join_request: true })
  const ask = async (person: Person) => {
    expect(await person.joinsBy(link, { bio: 'Hello' })).toBe('requested')
    const [update] = await updatesOf(call)
    return (update as { chat_join_request: { query_id: string; invite_link: object } }).chat_join_request
  }
  const request = await ask(bob)
  expect(request).toMatchObject({
    from: { id: bob.id },
    bio: 'Hello',
    invite_link: { invite_link: link.invite_link, pending_join_request_count: 1 },
    query_id: expect.stringMatching(/^\d+$/),
  })
  await api.sendMessage(bob.id, 'Who are you?') // also to somebody who never wrote to the bot
  await bob.hears('Who are you?')
  const answer = (query: string, result: string) =>
    call('answerChatJoinRequestQuery', { chat_join_request_query_id: query, result })
  expect(await answer(request.query_id, 'perhaps')).toMatchObject({ error_code: 400 })
  expect(await answer(request.query_id, 'approve')).toEqual({ ok: true, result: true })
  expect(group.member(bob).status).toBe('member')
  const entered = await updatesOf(call)
  expect(entered).toMatchObject([
    { chat_member: { from: { id: bot.id }, invite_link: { invite_link: link.invite_link } } },
    { message: { from: { id: bob.id }, new_chat_members: [{ id: bob.id }] } },
  ])
  // via_join_request is set only for requests without a link.
  expect(entered[0]?.chat_member).not.toHaveProperty('via_join_request')

  const second = await ask(carl)
  await answer(second.query_id, 'queue')
  await olga.in(group).declines(carl)
  expect(group.member(carl).status).toBe('left')
  const third = await ask(carl)
  telegram.clock.advance('10s')
  expect(await answer(third.query_id, 'approve')).toMatchObject({
    description: expect.stringMatching(/query is too old/),
  })
  await api.approveChatJoinRequest(group.id, carl.id)
  expect(group.member(carl).status).toBe('member')
})

test('only bots that support queries receive one, and the permission to write ends five minutes after the request', async () => {
  const other = telegram.createBot({ username: 'plain_bot' })
  await olga.in(group).adds(other)
  await olga.in(group).promotes(other)
  const plain = caller(telegram.apiRoot, other)
  await updatesOf(plain)
  await bob.in(group).requestsToJoin()
  const [update] = await updatesOf(plain)
  expect((update as { chat_join_request: object }).chat_join_request).not.toHaveProperty('query_id')
  const write = () => plain('sendMessage', { chat_id: bob.id, text: 'hi' })
  expect(await write()).toMatchObject({ ok: true })
  telegram.clock.advance('5m')
  expect(await write()).toMatchObject({
    description: "Forbidden: bot can't initiate conversation with a user",
  })
})
