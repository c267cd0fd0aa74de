import { Api, InputFile } from 'grammy'
import { caller, refusalOf, updatesOf } from './calling.js'
import { alice, api, bob, bot, call, group, telegram, usePlaza } from './plaza.js'

usePlaza('settings_bot')

describe('title, description and photo of a chat', () => {
  test('are changed by bots, with service messages', async () => {
    await api.setChatTitle(group.id, ' Agora ')
    await api.setChatDescription(group.id, 'Talk')
    await api.setChatPhoto(group.id, new InputFile(Buffer.from('picture'), 'agora.jpg'))
    expect(await api.getChat(group.id)).toMatchObject({
      title: 'Agora',
      description: 'Talk',
      photo: { big_file_id: expect.any(String) },
    })
    await api.deleteChatPhoto(group.id)
    expect(group.title).toBe('Agora')
    expect(await updatesOf(call)).toMatchObject([
      { message: { new_chat_title: 'Agora', from: { id: bot.id } } },
      { message: { new_chat_photo: [{}, {}, { width: 800 }] } },
      { message: { delete_chat_photo: true } },
    ])
  })

  test('are not changed without the right, and refusals are in the words of Telegram', async () => {
    expect(await refusalOf(api.setChatTitle(group.id, ' '))).toBe('Bad Request: title must be non-empty')
    expect(await refusalOf(api.setChatDescription(group.id, ''))).toBe(
      'Bad Request: chat description is not modified',
    )
    expect(await refusalOf(api.setChatPhoto(group.id, 'AgACAgIAAxkDx' as never))).toBe(
      'Bad Request: photo must be uploaded as an InputFile',
    )
    await alice.in(group).promotes(bot, { can_change_info: false })
    expect(await refusalOf(api.setChatTitle(group.id, 'Mine'))).toBe(
      'Bad Request: not enough rights to change chat title',
    )
    expect(await refusalOf(api.setChatDescription(group.id, 'Mine'))).toBe(
      'Bad Request: not enough rights to set chat description',
    )
    expect(await refusalOf(api.deleteChatPhoto(group.id))).toBe(
      'Bad Request: not enough rights to change chat photo',
    )
    await alice.to(bot).sends('hi')
    expect(await refusalOf(api.setChatTitle(alice.id, 'Mine'))).toBe(
      "Bad Request: can't change private chat title",
    )
  })

  test('are changed by people as well', async () => {
    await alice.in(group).setsTitle('Agora')
    await alice.in(group).setsDescription('Talk')
    await alice.in(group).setsPhoto('agora.jpg')
    await alice.in(group).setsPhoto()
    await expect(bob.in(group).setsTitle('Mine')).rejects.toThrow(/not enough rights to change chat title/)
    expect(await updatesOf(call)).toMatchObject([
      { message: { new_chat_title: 'Agora', from: { id: alice.id } } },
      { message: { new_chat_photo: expect.any(Array) } },
      { message: { delete_chat_photo: true } },
    ])
  })
})

test('permissions of members apply to all members, people and bots', async () => {
  await api.setChatPermissions(group.id, { can_send_messages: true, can_send_photos: false })
  expect(await api.getChat(group.id)).toMatchObject({
    permissions: { can_send_messages: true, can_send_photos: false, can_send_polls: false },
  })
  await bob.in(group).sends('fine')
  await expect(bob.in(group).sendsPhoto('cat.jpg')).rejects.toThrow(/not enough rights to send photos/)
  await alice.in(group).sendsPhoto('cat.jpg')
  const guest = telegram.createBot({ username: 'guest_bot' })
  await alice.in(group).adds(guest)
  const guestApi = new Api(guest.token, { apiRoot: telegram.apiRoot })
  const picture = new InputFile(Buffer.from('cat'), 'cat.jpg')
  expect(await refusalOf(guestApi.sendPhoto(group.id, picture))).toBe(
    'Bad Request: not enough rights to send photos to the chat',
  )
  expect(await refusalOf(guestApi.sendPoll(group.id, 'Which?', [{ text: 'A' }, { text: 'B' }]))).toBe(
    'Bad Request: not enough rights to send polls to the chat',
  )
  expect(await refusalOf(guestApi.setChatPermissions(group.id, {}))).toBe(
    'Bad Request: not enough rights to change chat permissions',
  )
  const news = telegram.createChannel({ title: 'News', owner: alice, admins: [bot] })
  expect(await refusalOf(api.setChatPermissions(news.id, {}))).toBe(
    "Bad Request: can't change channel chat permissions",
  )
})

describe('slow mode', () => {
  test('makes members wait, but not administrators', async () => {
    await alice.in(group).setsSlowMode('30s')
    expect(await api.getChat(group.id)).toMatchObject({ slow_mode_delay: 30 })
    await bob.in(group).sends('one')
    await expect(bob.in(group).sends('two')).rejects.toThrow(/retry after 30/)
    await alice.in(group).sends('one')
    await alice.in(group).sends('two')
    await api.sendMessage(group.id, 'one')
    await api.sendMessage(group.id, 'two')
    telegram.clock.advance('30s')
    await bob.in(group).sends('two')
    await alice.in(group).setsSlowMode()
    await bob.in(group).sends('three')
    await expect(alice.in(group).setsSlowMode('7s')).rejects.toThrow(/invalid new value/)
  })

  test('answers bots that are not administrators with 429, and counts an album as one message', async () => {
    const guest = telegram.createBot({ username: 'guest_bot' })
    await alice.in(group).adds(guest)
    await alice.in(group).setsSlowMode('10s')
    const guestCall = caller(telegram.apiRoot, guest)
    await guestCall('sendMessage', { chat_id: group.id, text: 'one' })
    expect(await guestCall('sendMessage', { chat_id: group.id, text: 'two' })).toEqual({
      ok: false,
      error_code: 429,
      description: 'Too Many Requests: retry after 10',
      parameters: { retry_after: 10 },
    })
    await bob.in(group).sendsAlbum(['one.jpg', 'two.jpg', 'three.jpg'])
    await expect(bob.in(group).sends('more')).rejects.toThrow(/retry after/)
  })
})

test('with auto-delete, new messages are deleted after the delay', async () => {
  const before = await bob.in(group).sends('before')
  await alice.in(group).setsAutoDelete('1d')
  const after = await bob.in(group).sends('after')
  expect(await api.getChat(group.id)).toMatchObject({ message_auto_delete_time: 86_400 })
  telegram.clock.advance('1d')
  expect(group.messages.map(({ message_id }) => message_id)).toContain(before.message_id)
  expect(group.messages.map(({ message_id }) => message_id)).not.toContain(after.message_id)
  expect(await refusalOf(api.forwardMessage(group.id, group.id, after.message_id))).toBe(
    'Bad Request: message to forward not found',
  )
})

describe('channels that write in a group', () => {
  test('can be banned and unbanned', async () => {
    const news = telegram.createChannel({ title: 'News', owner: bob })
    await bob.in(group).as(news).sends('Read my channel')
    await api.banChatSenderChat(group.id, news.id)
    await expect(bob.in(group).as(news).sends('again')).rejects.toThrow(/USER_BANNED_IN_CHANNEL/)
    await bob.in(group).sends('as myself')
    await api.unbanChatSenderChat(group.id, news.id)
    await bob.in(group).as(news).sends('again')
    await alice.in(group).bansChannel(news)
    await expect(bob.in(group).as(news).sends('again')).rejects.toThrow(/USER_BANNED_IN_CHANNEL/)
  })

  test('cause refusals in the words of Telegram', async () => {
    const news = telegram.createChannel({ title: 'News', owner: bob })
    expect(await refusalOf(api.banChatSenderChat(group.id, '' as never))).toBe(
      'Bad Request: sender_chat_id is empty',
    )
    expect(await refusalOf(api.banChatSenderChat(group.id, -1))).toBe('Bad Request: chat not found')
    expect(await refusalOf(api.banChatSenderChat(group.id, group.id))).toBe(
      "Bad Request: can't restrict the chat",
    )
    await alice.in(group).promotes(bot, { can_restrict_members: false })
    expect(await refusalOf(api.banChatSenderChat(group.id, news.id))).toBe(
      'Bad Request: not enough rights to restrict/unrestrict chat member',
    )
  })
})

describe('anonymous administrators', () => {
  test('that are bots still write under their own name', async () => {
    await alice.in(group).promotes(bot, { is_anonymous: true })
    const sent = await api.sendMessage(group.id, 'Be kind')
    expect(sent.from).toMatchObject({ id: bot.id })
    expect(sent).not.toHaveProperty('sender_chat')
  })

  test('write, react and vote as the group', async () => {
    await updatesOf(call, ['message', 'message_reaction', 'poll_answer'])
    await alice.in(group).promotes(bob, { is_anonymous: true })
    const poll = await api.sendPoll(group.id, 'Lunch?', ['Soup', 'Rice'], { is_anonymous: false })
    await bob.in(group).sends('hi')
    await bob.in(group).reacts(poll, '👍')
    await bob.in(group).votes(poll, 'Soup')
    const updates = await updatesOf(call)
    expect(updates).toMatchObject([
      { message: { from: { username: 'GroupAnonymousBot' }, sender_chat: { id: group.id } } },
      { message_reaction: { actor_chat: { id: group.id }, old_reaction: [] } },
      { poll_answer: { voter_chat: { id: group.id }, user: { username: 'Channel_Bot' }, option_ids: [0] } },
    ])
    expect(updates[1]?.message_reaction).not.toHaveProperty('user')
    // The reaction belongs to the group, so it is deleted by the id of the group.
    await call('deleteMessageReaction', {
      chat_id: group.id,
      message_id: poll.message_id,
      actor_chat_id: group.id,
    })
    await bob.in(group).reacts(poll, '👍')
    expect(await updatesOf(call)).toMatchObject([{ message_reaction: { old_reaction: [] } }])
  })

  test('and channels: a channel that votes is a voter besides its owner', async () => {
    await updatesOf(call, ['poll_answer'])
    const news = telegram.createChannel({ title: 'News', owner: bob })
    const poll = await api.sendPoll(group.id, 'Lunch?', ['Soup', 'Rice'], { is_anonymous: false })
    await bob.in(group).as(news).votes(poll, 'Soup')
    await bob.in(group).votes(poll, 'Rice')
    expect(await updatesOf(call)).toMatchObject([
      { poll_answer: { voter_chat: { id: news.id }, option_ids: [0] } },
      { poll_answer: { user: { id: bob.id }, option_ids: [1] } },
    ])
    expect(group.messages.find(({ message_id: id }) => id === poll.message_id)?.poll).toMatchObject({
      total_voter_count: 2,
    })
  })

  test('and custom titles: titles and tags appear on messages', async () => {
    await api.promoteChatMember(group.id, bob.id, { can_delete_messages: true })
    await api.setChatAdministratorCustomTitle(group.id, bob.id, 'Gardener')
    expect(await bob.in(group).sends('hi')).toMatchObject({ sender_tag: 'Gardener' })
    expect(await bob.in(group).anonymously().sends('hi')).toMatchObject({
      from: { username: 'GroupAnonymousBot' },
      author_signature: 'Gardener',
    })
    expect(await api.getChatMember(group.id, bob.id)).toMatchObject({ custom_title: 'Gardener' })
    expect(await refusalOf(api.setChatAdministratorCustomTitle(group.id, alice.id, 'x'))).toBe(
      'Bad Request: only the owner can edit their custom title',
    )
    expect(await refusalOf(api.setChatAdministratorCustomTitle(group.id, bob.id, '🌱'))).toBe(
      'Bad Request: CUSTOM_TITLE_EMOJI_NOT_ALLOWED',
    )
    expect(await refusalOf(api.setChatAdministratorCustomTitle(group.id, bob.id, 'x'.repeat(17)))).toBe(
      'Bad Request: CUSTOM_TITLE_INVALID',
    )
    const carol = telegram.createUser({ firstName: 'Carol' })
    expect(await refusalOf(api.setChatAdministratorCustomTitle(group.id, carol.id, 'x'))).toBe(
      'Bad Request: user is not an administrator',
    )
    await carol.in(group).joins()
    await api.setChatMemberTag(group.id, carol.id, 'Newcomer')
    expect(await api.getChatMember(group.id, carol.id)).toMatchObject({ status: 'member', tag: 'Newcomer' })
    expect(await carol.in(group).sends('hi')).toMatchObject({ sender_tag: 'Newcomer' })
  })
})
