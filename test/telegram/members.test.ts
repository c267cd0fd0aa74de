import type { GrammyError } from 'grammy'
import { updatesOf } from './calling.js'
import { alice, api, bob, bot, call, group, telegram, usePlaza } from './plaza.js'

const EVERYTHING = ['message', 'chat_member', 'my_chat_member', 'chat_join_request']

usePlaza('member_bot')
beforeEach(async () => {
  await updatesOf(call, EVERYTHING)
})

const seconds = () => Math.floor(telegram.clock.now() / 1000)
const refused = (description: string) => (error: GrammyError) => {
  expect(error.description).toBe(description)
}
const failing = async (promise: Promise<unknown>) =>
  (await promise.catch((error: unknown) => error)) as GrammyError

test('a ban expires by the clock, and causes a chat_member update and a service message', async () => {
  await api.banChatMember(group.id, bob.id, { until_date: seconds() + 3600 })
  expect(await updatesOf(call)).toMatchObject([
    {
      chat_member: {
        chat: { id: group.id, type: 'supergroup', title: 'Plaza' },
        from: { id: bot.id },
        old_chat_member: { status: 'member', user: { id: bob.id } },
        new_chat_member: { status: 'kicked', until_date: seconds() + 3600 },
      },
    },
    { message: { left_chat_member: { id: bob.id }, from: { id: bot.id } } },
  ])
  expect(await api.getChatMember(group.id, bob.id)).toMatchObject({ status: 'kicked' })
  await expect(bob.in(group).joins()).rejects.toThrow(/Bob joins in "Plaza": they are banned/)
  telegram.clock.advance('1h')
  expect(await api.getChatMember(group.id, bob.id)).toMatchObject({ status: 'left' })
  await bob.in(group).joins()
  expect(group.member(bob).status).toBe('member')
})

test('a ban of less than thirty seconds, or of more than 366 days, is permanent', async () => {
  const days = 86_400
  await api.banChatMember(group.id, bob.id, { until_date: seconds() + 29 })
  expect(group.member(bob)).toMatchObject({ status: 'kicked', until_date: 0 })
  await api.banChatMember(group.id, bob.id, { until_date: seconds() + 366 * days + 1 })
  expect(group.member(bob)).toMatchObject({ status: 'kicked', until_date: 0 })
  const atMost = seconds() + 366 * days
  await api.banChatMember(group.id, bob.id, { until_date: atMost })
  expect(group.member(bob)).toMatchObject({ status: 'kicked', until_date: atMost })
})

test('a banned user sees no messages any more, but their messages stay', async () => {
  await bob.in(group).sends('spam')
  await alice.in(group).sends('hello')
  expect(bob.heard).toHaveLength(1)
  await api.banChatMember(group.id, bob.id, { revoke_messages: true })
  expect(bob.heard).toEqual([])
  expect(group.messages.map((message) => message.text ?? 'service')).toEqual(['spam', 'hello', 'service'])
})

test('unban lifts a ban, and removes members unless only_if_banned is set', async () => {
  await api.unbanChatMember(group.id, bob.id, { only_if_banned: true })
  expect(group.member(bob).status).toBe('member')
  await api.unbanChatMember(group.id, bob.id)
  expect(group.member(bob).status).toBe('left')
  await api.banChatMember(group.id, bob.id)
  await api.unbanChatMember(group.id, bob.id, { only_if_banned: true })
  expect(group.member(bob).status).toBe('left')
})

test('a restriction mutes until it expires, and survives leaving', async () => {
  await api.restrictChatMember(group.id, bob.id, { can_send_messages: false }, { until_date: seconds() + 60 })
  const [update] = await updatesOf(call)
  expect(update).toMatchObject({
    chat_member: { new_chat_member: { status: 'restricted', is_member: true, can_send_messages: false } },
  })
  await expect(bob.in(group).sends('hi')).rejects.toThrow(/restricted and lack can_send_messages/)
  await bob.in(group).leaves()
  expect(group.member(bob)).toMatchObject({ status: 'restricted', is_member: false })
  await bob.in(group).joins()
  expect(group.member(bob)).toMatchObject({ status: 'restricted', is_member: true })
  telegram.clock.advance('1m')
  await bob.in(group).sends('hi')
  expect(group.member(bob).status).toBe('member')
})

test('a restriction survives leaving and every way of returning', async () => {
  await api.restrictChatMember(group.id, bob.id, { can_send_messages: false })
  const link = await alice.in(group).makesInviteLink()
  const ways: (() => Promise<unknown>)[] = [
    () => bob.in(group).joins(),
    () => bob.joinsBy(link),
    () => alice.in(group).adds(bob),
    async () => {
      await bob.in(group).requestsToJoin()
      await alice.in(group).approves(bob)
    },
    async () => {
      await bob.in(group).requestsToJoin()
      await api.approveChatJoinRequest(group.id, bob.id)
    },
  ]
  for (const comesBack of ways) {
    await bob.in(group).leaves()
    await comesBack()
    expect(group.member(bob)).toMatchObject({
      status: 'restricted',
      is_member: true,
      can_send_messages: false,
    })
  }
})

test('adding others requires can_invite_users, and bots join channels as administrators', async () => {
  const carol = telegram.createUser({ firstName: 'Carol' })
  const news = telegram.createChannel({ title: 'News', owner: alice, members: [bob] })
  await expect(bob.in(news).adds(carol)).rejects.toThrow(
    /Bob adds somebody in "News": that takes can_invite_users/,
  )
  await alice.in(news).adds(carol)
  await expect(alice.in(news).adds(bot)).rejects.toThrow(/bots come as administrators/)
  await alice.in(news).promotes(bot)
  expect(await updatesOf(call)).toMatchObject([
    { my_chat_member: { old_chat_member: { status: 'left' }, new_chat_member: { status: 'administrator' } } },
  ])
  await api.setChatPermissions(group.id, { can_send_messages: true })
  await expect(bob.in(group).adds(carol)).rejects.toThrow(/that takes can_invite_users/)
  await alice.in(group).adds(carol)
  expect(group.member(carol).status).toBe('member')
})

test('permissions imply each other unless set as independent; granting all of them lifts the restriction', async () => {
  await api.restrictChatMember(group.id, bob.id, { can_send_polls: true })
  expect(group.member(bob)).toMatchObject({ can_send_messages: true, can_send_photos: false })
  await api.restrictChatMember(
    group.id,
    bob.id,
    { can_send_polls: true },
    { use_independent_chat_permissions: true },
  )
  expect(group.member(bob)).toMatchObject({ can_send_messages: false, can_send_polls: true })
  await api.restrictChatMember(group.id, bob.id, {
    can_send_messages: true,
    can_send_other_messages: true,
    can_add_web_page_previews: true,
    can_send_polls: true,
  })
  expect(group.member(bob).status).toBe('member')
})

test('refusals are in the words of Telegram', async () => {
  const stranger = telegram.createUser({ firstName: 'Stranger' })
  const carl = telegram.createUser({ firstName: 'Carl' })
  await carl.in(group).joins()
  await alice.in(group).promotes(carl)
  const cases: [Promise<unknown>, string][] = [
    [api.banChatMember(group.id, alice.id), "Bad Request: can't remove chat owner"],
    [api.banChatMember(group.id, carl.id), 'Bad Request: user is an administrator of the chat'],
    [api.restrictChatMember(group.id, bot.id, {}), "Bad Request: can't restrict self"],
    [api.banChatMember(group.id, 404), 'Bad Request: user not found'],
    [api.banChatMember(-100404, bob.id), 'Bad Request: chat not found'],
    [
      api.promoteChatMember(group.id, stranger.id, { can_pin_messages: true }),
      'Bad Request: USER_NOT_PARTICIPANT',
    ],
    [api.approveChatJoinRequest(group.id, stranger.id), 'Bad Request: HIDE_REQUESTER_MISSING'],
    [api.approveChatJoinRequest(group.id, bob.id), 'Bad Request: USER_ALREADY_PARTICIPANT'],
    [
      api.banChatMember(bob.id, bob.id),
      'Bad Request: method is available for supergroup and channel chats only',
    ],
  ]
  for (const [promise, description] of cases) refused(description)(await failing(promise))
})

test('a bot can do only what its rights allow', async () => {
  const weak = telegram.createGroup({
    title: 'Weak',
    owner: alice,
    members: [bob],
    admins: [{ who: bot, rights: { can_restrict_members: false, can_promote_members: false } }],
  })
  refused('Bad Request: not enough rights to restrict/unrestrict chat member')(
    await failing(api.banChatMember(weak.id, bob.id)),
  )
  refused('Bad Request: not enough rights')(
    await failing(api.promoteChatMember(weak.id, bob.id, { can_pin_messages: true })),
  )
  expect(await api.getChatMember(weak.id, bot.id)).toMatchObject({
    status: 'administrator',
    can_restrict_members: false,
    can_delete_messages: true,
  })
})

test('a bot can promote and demote members', async () => {
  await api.promoteChatMember(group.id, bob.id, { can_delete_messages: true })
  const admins = await api.getChatAdministrators(group.id)
  expect(admins.map((admin) => admin.user.id).sort()).toEqual([alice.id, bob.id, bot.id].sort())
  expect(admins.find((admin) => admin.user.id === bob.id)).toMatchObject({
    status: 'administrator',
    can_be_edited: true,
    can_delete_messages: true,
  })
  expect(group.member(bob)).toMatchObject({ status: 'administrator', can_manage_chat: true })
  await api.promoteChatMember(group.id, bob.id, {})
  expect(group.member(bob).status).toBe('member')
})

test('promotion in a channel includes can_restrict_members by default; the old name of video chat rights is accepted', async () => {
  const news = telegram.createChannel({ title: 'News', owner: alice, members: [bob], admins: [bot] })
  await alice.in(news).promotes(bot)
  await api.promoteChatMember(news.id, bob.id, { can_post_messages: true })
  expect(news.member(bob)).toMatchObject({ can_restrict_members: true, can_post_messages: true })
  await api.promoteChatMember(news.id, bob.id, { can_post_messages: true, can_restrict_members: false })
  expect(news.member(bob)).toMatchObject({ can_restrict_members: false })
  await api.promoteChatMember(news.id, bob.id, {})
  expect(news.member(bob).status).toBe('member')
  await call('promoteChatMember', { chat_id: news.id, user_id: bob.id, can_manage_voice_chats: true })
  expect(news.member(bob)).toMatchObject({ can_manage_video_chats: true })
})

test('a bot receives changes of its own membership, and its calls are refused once it has been removed', async () => {
  await alice.in(group).demotes(bot)
  await alice.in(group).bans(bot)
  expect(await updatesOf(call)).toMatchObject([
    {
      my_chat_member: { old_chat_member: { status: 'administrator' }, new_chat_member: { status: 'member' } },
    },
    { my_chat_member: { from: { id: alice.id }, new_chat_member: { status: 'kicked' } } },
    { message: { left_chat_member: { id: bot.id } } },
  ])
  refused('Forbidden: bot was kicked from the supergroup chat')(
    await failing(api.sendMessage(group.id, 'hi')),
  )
  await alice.in(group).unbans(bot)
  refused('Forbidden: bot is not a member of the supergroup chat')(
    await failing(api.sendMessage(group.id, 'hi')),
  )
  await alice.in(group).adds(bot)
  await api.sendMessage(group.id, 'back')
  await api.leaveChat(group.id)
  expect(group.member(bot).status).toBe('left')
})

test('join requests can be approved or declined', async () => {
  const stranger = telegram.createUser({ firstName: 'Stranger' })
  await stranger.in(group).requestsToJoin({ bio: 'I am nice' })
  expect(await updatesOf(call)).toMatchObject([
    { chat_join_request: { from: { id: stranger.id }, bio: 'I am nice', user_chat_id: stranger.id } },
  ])
  await api.declineChatJoinRequest(group.id, stranger.id)
  expect(group.member(stranger).status).toBe('left')
  await stranger.in(group).requestsToJoin()
  await api.approveChatJoinRequest(group.id, stranger.id)
  expect(await updatesOf(call)).toMatchObject([
    { chat_join_request: {} },
    { chat_member: { via_join_request: true, new_chat_member: { status: 'member' } } },
    { message: { new_chat_members: [{ id: stranger.id }], from: { id: stranger.id } } },
  ])
})

test('getChat describes channels, groups and private chats', async () => {
  const news = telegram.createChannel({
    title: 'News',
    owner: alice,
    username: 'news',
    admins: [bot],
    linkedGroup: group,
  })
  expect(await api.getChat('@news')).toMatchObject({ id: news.id, type: 'channel', linked_chat_id: group.id })
  expect(await api.getChat(group.id)).toMatchObject({
    type: 'supergroup',
    permissions: { can_send_messages: true },
  })
  expect(await api.getChatMemberCount(group.id)).toBe(3)
  await bob.to(bot).sends('/start')
  expect(await api.getChat(bob.id)).toMatchObject({ type: 'private', first_name: 'Bob' })
})

test('blocking a bot causes an update, and later calls are refused', async () => {
  refused("Forbidden: bot can't initiate conversation with a user")(
    await failing(api.sendMessage(bob.id, 'hi')),
  )
  await bob.to(bot).sends('/start')
  await bob.blocks(bot)
  refused('Forbidden: bot was blocked by the user')(await failing(api.sendMessage(bob.id, 'hi')))
  await expect(bob.to(bot).sends('hello?')).rejects.toThrow(/blocked the bot/)
  await bob.unblocks(bot)
  await api.sendMessage(bob.id, 'hi')
  expect(await updatesOf(call)).toMatchObject([
    { message: { text: '/start' } },
    { my_chat_member: { chat: { type: 'private' }, new_chat_member: { status: 'kicked' } } },
    { my_chat_member: { old_chat_member: { status: 'kicked' }, new_chat_member: { status: 'member' } } },
  ])
})

test('custom titles and tags stay when a status changes, until the user is banned', async () => {
  await api.promoteChatMember(group.id, bob.id, { can_delete_messages: true })
  await api.setChatAdministratorCustomTitle(group.id, bob.id, 'Helper')
  await api.promoteChatMember(group.id, bob.id, { can_delete_messages: true, can_pin_messages: true })
  expect(group.member(bob)).toMatchObject({ can_pin_messages: true, custom_title: 'Helper' })
  await api.promoteChatMember(group.id, bob.id, {})
  expect(group.member(bob)).toMatchObject({ status: 'member', tag: 'Helper' })
  await alice.in(group).promotes(bob)
  expect(group.member(bob)).toMatchObject({ status: 'administrator', custom_title: 'Helper' })
  await alice.in(group).demotes(bob)
  await api.setChatMemberTag(group.id, bob.id, 'vip')
  await api.restrictChatMember(group.id, bob.id, {}, { until_date: seconds() + 60 })
  expect(group.member(bob)).toMatchObject({ status: 'restricted', tag: 'vip' })
  telegram.clock.advance('1m')
  expect(group.member(bob)).toMatchObject({ status: 'member', tag: 'vip' })
  await alice.in(group).restricts(bob)
  expect(group.member(bob)).toMatchObject({ status: 'restricted', tag: 'vip' })
  await api.setChatMemberTag(group.id, bob.id, '')
  expect(group.member(bob)).not.toHaveProperty('tag')
  await api.banChatMember(group.id, bob.id)
  await api.unbanChatMember(group.id, bob.id)
  await bob.in(group).joins()
  expect(group.member(bob)).not.toHaveProperty('tag')
})

test('a restricted member may pin and create topics only if all members may', async () => {
  const forum = telegram.createGroup({ title: 'Forum', owner: alice, members: [bob], forum: true })
  const allowed = { can_send_messages: true, can_pin_messages: true, can_manage_topics: true }
  const rules = await alice.in(forum).sends('Be kind')
  await alice.in(forum).restricts(bob, allowed)
  await expect(bob.in(forum).pins(rules)).rejects.toThrow('not enough rights')
  await expect(bob.in(forum).createsTopic('Chatter')).rejects.toThrow('not enough rights')
  await alice.in(forum).permits(allowed)
  await bob.in(forum).pins(rules)
  await bob.in(forum).createsTopic('Chatter')
})

test('a basic group has no restrictions, and a ban only removes the member', async () => {
  const cellar = telegram.createGroup({ title: 'Cellar', owner: alice, members: [bob], basic: true })
  await expect(alice.in(cellar).restricts(bob)).rejects.toThrow(
    /Alice restricts somebody in "Cellar": only supergroups have restrictions/,
  )
  await alice.in(cellar).bans(bob)
  expect(cellar.member(bob).status).toBe('left')
  await bob.in(cellar).joins()
  expect(cellar.member(bob).status).toBe('member')
})

test('every right implies can_manage_chat', async () => {
  const carol = telegram.createUser({ firstName: 'Carol' })
  await carol.in(group).joins()
  await alice.in(group).promotes(bob, { can_manage_chat: false, can_promote_members: true })
  await bob.in(group).promotes(carol, { can_promote_members: true })
  expect(group.member(carol)).toMatchObject({ status: 'administrator', can_manage_chat: true })
})

test('people can grant only rights that they have', async () => {
  const carol = telegram.createUser({ firstName: 'Carol' })
  await carol.in(group).joins()
  await alice.in(group).promotes(bob, { can_promote_members: true, can_pin_messages: true })
  await expect(bob.in(group).promotes(carol, { can_restrict_members: true })).rejects.toThrow(
    /Bob promotes in "Plaza": Bad Request: RIGHT_FORBIDDEN/,
  )
  await bob.in(group).promotes(carol)
  expect(group.member(carol)).toMatchObject({
    can_promote_members: true,
    can_pin_messages: true,
    can_restrict_members: false,
    is_anonymous: false,
  })
})
