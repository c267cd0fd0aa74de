import { InlineKeyboard } from 'grammy'
import type { Content } from '../../src/telegram/index.js'
import { refusalOf, updatesOf } from './calling.js'
import { alice, api, bob, bot, call, group, telegram, usePlaza } from './plaza.js'

usePlaza('forward_bot')
beforeEach(async () => {
  await alice.to(bot).sends('/start')
  await updatesOf(call)
})

test('a forward names the original author, also when it is forwarded again', async () => {
  const said = await bob.in(group).sends('Look at #this')
  const once = await api.forwardMessage(alice.id, group.id, said.message_id)
  expect(once).toMatchObject({
    text: 'Look at #this',
    entities: [{ type: 'hashtag' }],
    from: { id: bot.id },
    forward_origin: { type: 'user', sender_user: { id: bob.id }, date: said.date },
  })
  const twice = await api.forwardMessage(group.id, alice.id, once.message_id)
  expect(twice.forward_origin).toEqual(once.forward_origin)
  await alice.hears('Look at')

  const news = telegram.createChannel({ title: 'News', owner: alice, admins: [bot] })
  const post = await alice.in(news).posts('Open')
  const anonymous = await alice.in(group).anonymously().sends('Be kind')
  expect((await api.forwardMessage(group.id, news.id, post.message_id)).forward_origin).toMatchObject({
    type: 'channel',
    chat: { id: news.id },
    message_id: post.message_id,
  })
  expect((await api.forwardMessage(group.id, group.id, anonymous.message_id)).forward_origin).toMatchObject({
    type: 'chat',
    sender_chat: { id: group.id },
  })
})

test('a copy does not name the author, and may have another caption and buttons', async () => {
  const photo = await bob.in(group).sendsPhoto('cat.jpg', { caption: 'My cat' })
  const { message_id } = await api.copyMessage(alice.id, group.id, photo.message_id, {
    caption: '*A* cat',
    parse_mode: 'MarkdownV2',
    reply_markup: new InlineKeyboard().text('Aww', 'aww'),
  })
  const copied = await alice.hears('A cat')
  expect(copied).toMatchObject({
    message_id,
    photo: photo.photo,
    caption_entities: [{ type: 'bold' }],
    reply_markup: { inline_keyboard: [[{ text: 'Aww' }]] },
  })
  expect(copied).not.toHaveProperty('forward_origin')
  await api.copyMessage(alice.id, group.id, photo.message_id)
  await alice.hears('My cat', { after: copied })
})

test('several messages at once stay together as an album, and missing messages are skipped', async () => {
  const album = await bob.in(group).sendsAlbum(['one.jpg', 'two.jpg'], { caption: 'Holiday' })
  const ids = [...album.map(({ message_id }) => message_id), 404]
  const forwarded = await api.forwardMessages(alice.id, group.id, ids)
  expect(forwarded).toHaveLength(2)
  const copied = await api.copyMessages(alice.id, group.id, ids, { remove_caption: true })
  const heard = alice.heard.filter(({ chat }) => chat.id === alice.id)
  const [first, second, third, fourth] = heard
  expect(heard.map(({ message_id }) => message_id)).toEqual(
    [...forwarded, ...copied].map(({ message_id }) => message_id),
  )
  expect(first?.media_group_id).toBe(second?.media_group_id)
  expect(first?.media_group_id).not.toBe(album[0]?.media_group_id)
  expect(third?.media_group_id).toBe(fourth?.media_group_id)
  expect([first?.caption, third?.caption]).toEqual(['Holiday', undefined])
  expect(await refusalOf(api.copyMessages(alice.id, group.id, [2, 1]))).toBe(
    'Bad Request: message identifiers must be in a strictly increasing order',
  )
  expect(await refusalOf(api.forwardMessages(alice.id, group.id, [404]))).toBe(
    'Bad Request: there are no messages to forward',
  )
})

test('messages that cannot be forwarded are refused', async () => {
  expect(await refusalOf(api.forwardMessage(alice.id, group.id, 404))).toBe(
    'Bad Request: message to forward not found',
  )
  expect(await refusalOf(api.copyMessage(alice.id, group.id, 404))).toBe(
    'Bad Request: message to copy not found',
  )
  const secret = await api.sendMessage(group.id, 'Secret', { protect_content: true })
  expect(secret.has_protected_content).toBe(true)
  expect(await refusalOf(api.forwardMessage(alice.id, group.id, secret.message_id))).toBe(
    "Bad Request: message can't be forwarded",
  )
  const quiz = await bob.in(group).sendsPoll('2 + 2?', ['3', '4'], { correct: 1 })
  expect(await refusalOf(api.copyMessage(alice.id, group.id, quiz.message_id))).toBe(
    "Bad Request: message can't be copied",
  )
})

test('service messages are neither forwarded nor copied: payments, video chats, data of mini apps', async () => {
  const events: Content[] = [
    { video_chat_started: {} },
    { web_app_data: { data: '{}', button_text: 'Open' } },
    {
      successful_payment: {
        currency: 'XTR',
        total_amount: 5,
        invoice_payload: 'premium',
        telegram_payment_charge_id: 'a',
        provider_payment_charge_id: 'b',
      },
    },
  ]
  for (const event of events) {
    const { message_id: id } = await bob.in(group).sendsContent(event)
    expect(await refusalOf(api.forwardMessage(alice.id, group.id, id))).toBe(
      "Bad Request: message can't be forwarded",
    )
    expect(await refusalOf(api.copyMessage(alice.id, group.id, id))).toBe(
      "Bad Request: message can't be copied",
    )
  }
})

test('a copied poll starts without votes', async () => {
  const poll = await bob.in(group).sendsPoll('Lunch?', ['Yes', 'No'])
  await alice.in(group).votes(poll, 'Yes')
  await api.copyMessage(group.id, group.id, poll.message_id)
  const copied = group.messages.at(-1)!
  expect(copied.poll).toMatchObject({ question: 'Lunch?', total_voter_count: 0 })
  await alice.in(group).votes(copied, 'No')
})

test('pins create service messages; the latest pin is shown, and pins can be removed', async () => {
  const one = await bob.in(group).sends('one')
  const two = await bob.in(group).sends('two')
  await updatesOf(call)
  await api.pinChatMessage(group.id, one.message_id)
  await alice.in(group).pins(two)
  await api.pinChatMessage(group.id, two.message_id)
  expect(await updatesOf(call)).toMatchObject([
    { message: { from: { id: bot.id }, pinned_message: { text: 'one' } } },
    { message: { from: { id: alice.id }, pinned_message: { text: 'two' } } },
  ])
  const pinned = async () => (await api.getChat(group.id)).pinned_message?.text
  expect(await pinned()).toBe('two')
  await api.unpinChatMessage(group.id)
  expect(await pinned()).toBe('one')
  await api.deleteMessage(group.id, one.message_id)
  expect(await pinned()).toBeUndefined()
  expect(await refusalOf(api.unpinChatMessage(group.id))).toBe('Bad Request: message to unpin not found')
  await alice.in(group).pins(two)
  await api.unpinAllChatMessages(group.id)
  expect(await pinned()).toBeUndefined()
  expect(await refusalOf(api.pinChatMessage(group.id, 404))).toBe('Bad Request: message to pin not found')
  await expect(bob.in(group).pins(two)).rejects.toThrow(/not enough rights to manage pinned messages/)
  await alice.in(group).demotes(bot)
  expect(await refusalOf(api.pinChatMessage(group.id, two.message_id))).toBe(
    'Bad Request: not enough rights to manage pinned messages in the chat',
  )
})

test('in a forum, all pins of a topic can be removed', async () => {
  const forum = telegram.createGroup({ title: 'Forum', owner: alice, admins: [bot], forum: true })
  const { message_thread_id } = await api.createForumTopic(forum.id, 'Help')
  const inside = await api.sendMessage(forum.id, 'inside', { message_thread_id })
  const outside = await api.sendMessage(forum.id, 'outside')
  for (const { message_id } of [inside, outside]) await api.pinChatMessage(forum.id, message_id)
  expect(forum.messages.at(-2)).toMatchObject({ pinned_message: { text: 'inside' }, message_thread_id })
  await api.unpinAllGeneralForumTopicMessages(forum.id)
  expect((await api.getChat(forum.id)).pinned_message?.text).toBe('inside')
  await api.unpinAllForumTopicMessages(forum.id, message_thread_id)
  expect(await api.getChat(forum.id)).not.toHaveProperty('pinned_message')
})

test('captions can be edited, but only to something new', async () => {
  const file = (await alice.to(bot).sendsPhoto('cat.jpg')).photo![0]!.file_id
  const sent = await api.sendPhoto(group.id, file, { caption: 'cat' })
  const edited = await api.editMessageCaption(group.id, sent.message_id, { caption: 'Cat' })
  expect(edited).toMatchObject({ caption: 'Cat', photo: sent.photo, edit_date: expect.any(Number) })
  expect(await refusalOf(api.editMessageCaption(group.id, sent.message_id, { caption: 'Cat' }))).toMatch(
    /message is not modified/,
  )
  expect(await api.editMessageCaption(group.id, sent.message_id)).not.toHaveProperty('caption')
  const text = await api.sendMessage(group.id, 'text')
  expect(await refusalOf(api.editMessageCaption(group.id, text.message_id, { caption: 'x' }))).toBe(
    'Bad Request: there is no caption in the message to edit',
  )
})
