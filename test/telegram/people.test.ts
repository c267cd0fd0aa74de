import { Api, InlineKeyboard } from 'grammy'
import { SentinelError } from '../../src/core/errors.js'
import { createTelegram, startTelegram } from '../../src/telegram/index.js'
import { updatesOf } from './calling.js'
import { alice, api, bob, bot, call, group, telegram, usePlaza } from './plaza.js'

/** A long time-out for messages that do arrive, for slow machines. The default for messages that do not arrive is short. */
const AT_LENGTH = { timeout: '60s' } as const

usePlaza('people_bot', { patience: '50ms' })

test('anonymous administrators and channels write through shared accounts', async () => {
  const news = telegram.createChannel({ title: 'News', owner: bob })
  await alice.in(group).anonymously().sends('rules')
  await bob.in(group).as(news).sends('ad')
  expect(await updatesOf(call)).toMatchObject([
    { message: { from: { id: 1087968824, username: 'GroupAnonymousBot' }, sender_chat: { id: group.id } } },
    {
      message: {
        from: { id: 136817688, username: 'Channel_Bot' },
        sender_chat: { id: news.id, type: 'channel' },
      },
    },
  ])
  expect(() => bob.in(group).anonymously()).toThrow(/only administrators can/)
  expect(() => alice.in(group).as(news)).toThrow(/do not own that channel/)
})

test('a channel post is forwarded into the linked group', async () => {
  const news = telegram.createChannel({ title: 'News', owner: alice, linkedGroup: group, admins: [bot] })
  const post = await alice.in(news).posts('We are open')
  expect(post).toMatchObject({ sender_chat: { id: news.id }, chat: { type: 'channel' } })
  expect(post).not.toHaveProperty('from')
  await alice.in(news).edits(post, 'We are closed')
  expect(await updatesOf(call)).toMatchObject([
    { channel_post: { text: 'We are open' } },
    {
      message: {
        from: { id: 777000 },
        sender_chat: { id: news.id },
        is_automatic_forward: true,
        forward_origin: { type: 'channel', message_id: post.message_id },
        text: 'We are open',
      },
    },
    { edited_channel_post: { text: 'We are closed' } },
    { edited_message: { text: 'We are closed', is_automatic_forward: true } },
  ])
  await expect(bob.in(news).posts('me too')).rejects.toThrow(/Bob writes in "News": they are not a member/)
})

test('people can send only what Telegram accepts', async () => {
  await expect(bob.in(group).sends('x'.repeat(4097))).rejects.toThrow(/Telegram takes 4096 characters/)
  await expect(bob.in(group).sends(' ')).rejects.toThrow(/empty text/)
  await expect(bob.in(group).sendsPhoto('a', { caption: 'x'.repeat(1025) })).rejects.toThrow(/1024/)
  await expect(bob.in(group).sendsAlbum(['one.jpg'])).rejects.toThrow(/2 to 10 photos/)
  const sent = await bob.in(group).sends('/ban@people_bot @alice https://t.me/x a@b.example #spam a/b 1@2')
  expect(
    sent.entities?.map(({ type, offset, length }) => [type, sent.text?.slice(offset, offset + length)]),
  ).toEqual([
    ['bot_command', '/ban@people_bot'],
    ['mention', '@alice'],
    ['url', 'https://t.me/x'],
    ['email', 'a@b.example'],
    ['hashtag', '#spam'],
  ])
  const file = await bob.in(group).sendsDocument('list.txt', { content: 'abc', type: 'text/plain' })
  expect(file.document).toMatchObject({ file_name: 'list.txt', mime_type: 'text/plain', file_size: 3 })
  await bob.in(group).deletes(file)
  await expect(bob.in(group).replies(file, 'gone?')).rejects.toThrow(/it is not there/)
})

test('content that Telegram never sends is refused, and leaves nothing in the chat', async () => {
  for (const content of [{ dice: { emoji: '🎲' } }, { venue: 'here' }]) {
    await expect(alice.in(group).sendsContent(content as never)).rejects.toThrow(
      /Telegram never sends such an update: message\.(dice|venue)/,
    )
  }
  expect(group.messages).toEqual([])
})

test('other content can be posted in a channel', async () => {
  const news = telegram.createChannel({ title: 'News', owner: alice })
  const post = await alice.in(news).sendsContent({ dice: { emoji: '🎲', value: 3 } })
  expect(post.dice).toEqual({ emoji: '🎲', value: 3 })
  await expect(alice.in(news).sendsContent({ dice: { emoji: '🎲' } } as never)).rejects.toThrow(
    /Telegram never sends such an update: channel_post\.dice/,
  )
  expect(news.messages).toHaveLength(1)
})

test('bots receive neither their own messages nor those of other bots', async () => {
  const other = telegram.createBot({ username: 'other_bot' })
  await alice.in(group).adds(other)
  await updatesOf(call)
  await new Api(other.token, { apiRoot: telegram.apiRoot }).sendMessage(group.id, 'beep')
  await api.sendMessage(group.id, 'boop')
  expect(await updatesOf(call)).toEqual([])
  expect(bob.heard.map((message) => message.text)).toEqual([undefined, 'beep', 'boop'])
})

test('edits and reactions reach the bot', async () => {
  await updatesOf(call, ['edited_message', 'message_reaction'])
  const message = await bob.in(group).sends('helo')
  const edited = await bob.in(group).edits(message, 'hello @people_bot')
  expect(edited.entities).toEqual([{ type: 'mention', offset: 6, length: 11 }])
  await bob.in(group).reacts(message, '👍')
  await bob.in(group).reacts(message)
  const thumb = { type: 'emoji', emoji: '👍' }
  expect(await updatesOf(call)).toMatchObject([
    { edited_message: { text: 'hello @people_bot', edit_date: expect.any(Number) } },
    { message_reaction: { user: { id: bob.id }, old_reaction: [], new_reaction: [thumb] } },
    { message_reaction: { old_reaction: [thumb], new_reaction: [] } },
  ])
  await expect(alice.in(group).edits(message, 'x')).rejects.toThrow(/only their own/)
})

test('joining, leaving and changes of status cause updates and service messages', async () => {
  await updatesOf(call, ['message', 'chat_member'])
  const carl = telegram.createUser({ firstName: 'Carl' })
  await alice.in(group).adds(carl)
  await carl.in(group).leaves()
  await alice.in(group).restricts(bob, { can_send_messages: true })
  await expect(bob.in(group).sendsPhoto('cat.jpg')).rejects.toThrow(/lack can_send_photos/)
  await alice.in(group).promotes(bob, { can_delete_messages: true })
  expect(await updatesOf(call)).toMatchObject([
    { chat_member: { from: { id: alice.id }, new_chat_member: { status: 'member', user: { id: carl.id } } } },
    { message: { from: { id: alice.id }, new_chat_members: [{ id: carl.id }] } },
    { chat_member: { from: { id: carl.id }, new_chat_member: { status: 'left' } } },
    { message: { from: { id: carl.id }, left_chat_member: { id: carl.id } } },
    { chat_member: { new_chat_member: { status: 'restricted', can_send_messages: true } } },
    { chat_member: { new_chat_member: { status: 'administrator', can_delete_messages: true } } },
  ])
  await expect(bob.in(group).bans(alice)).rejects.toThrow(
    /Bob bans in "Plaza": Bad Request: can't remove chat owner/,
  )
})

test('inline queries can be asked and answered', async () => {
  const asked = await alice.asks(bot, 'cats')
  expect(await updatesOf(call)).toMatchObject([{ inline_query: { id: asked.query.id, query: 'cats' } }])
  const result = {
    type: 'article',
    id: '1',
    title: 'Cat',
    input_message_content: { message_text: 'Meow' },
  } as const
  await api.answerInlineQuery(asked.query.id, [result], { cache_time: 0 })
  expect(await asked.answer).toEqual({ results: [result], cache_time: 0 })
  expect(await call('answerInlineQuery', { inline_query_id: '1', results: [] })).toMatchObject({
    error_code: 400,
  })
})

test('a payment succeeds once the bot has confirmed it', async () => {
  const refused = await alice.pays(bot, { payload: 'premium', amount: 100 })
  await api.answerPreCheckoutQuery(refused.query.id, false, { error_message: 'Sold out' })
  expect(await refused.answer).toEqual({ ok: false, error_message: 'Sold out' })
  expect(refused.receipt).toBeUndefined()
  const payment = await alice.pays(bot, { payload: 'premium', amount: 100 })
  await api.answerPreCheckoutQuery(payment.query.id, true)
  expect(await updatesOf(call)).toMatchObject([
    { pre_checkout_query: { invoice_payload: 'premium', currency: 'XTR', total_amount: 100 } },
    { pre_checkout_query: {} },
    { message: { from: { id: alice.id }, successful_payment: { total_amount: 100 } } },
  ])
  const late = await alice.pays(bot, { payload: 'premium', amount: 100 })
  telegram.clock.advance('10s')
  await expect(api.answerPreCheckoutQuery(late.query.id, true)).rejects.toThrow(/query is too old/)
})

test('an unanswered tap rejects with an explanation; a late answer is refused', async () => {
  await alice.to(bot).sends('/start')
  const offer = await api.sendMessage(alice.id, 'Well?', {
    reply_markup: new InlineKeyboard().text('Buy', 'buy'),
  })
  const tap = await alice.to(bot).taps(offer, 'buy')
  await expect(tap.answer).rejects.toThrow(/Alice's tap on "Buy" was not answered within 50 ms/)
  telegram.clock.advance('1m')
  await expect(api.answerCallbackQuery(tap.query.id)).rejects.toThrow(
    /query is too old and response timeout expired or query ID is invalid/,
  )
})

test('hears() returns an earlier or later message, or rejects with what was heard instead', async () => {
  const first = await api.sendMessage(group.id, 'ping 1')
  const heard = await bob.hears(/ping \d/g)
  expect(heard.message_id).toBe(first.message_id)
  const later = bob.hears('ping', { in: group, after: heard, ...AT_LENGTH })
  await api.sendMessage(group.id, 'ping 2')
  expect((await later).text).toBe('ping 2')
  const error: unknown = await bob.hears('pong').catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(SentinelError)
  expect(error).toMatchObject({ code: 'telegram.invalid' })
  expect(String(error)).toContain('did not hear "pong" within 50 ms, but heard only:')
  expect(String(error)).toContain('people_bot in "Plaza": "ping 2"')
  const stranger = telegram.createUser({ firstName: 'Stranger' })
  await expect(stranger.hears('ping')).rejects.toThrow(/heard nothing at all/)
})

test('hears() returns each message only once: a second call waits for another message', async () => {
  await alice.to(bot).sends('/buy')
  const ordered = await api.sendMessage(alice.id, 'Ordered')
  expect((await alice.hears('Ordered')).message_id).toBe(ordered.message_id)
  await alice.to(bot).sends('/buy')
  await expect(alice.hears('Ordered')).rejects.toThrow(
    /^Alice did not hear "Ordered" within 50 ms, but heard it before.* \{ ever: true \}/,
  )
  expect((await alice.hears('Ordered', { ever: true })).message_id).toBe(ordered.message_id)
  expect(alice.hasHeard('Ordered')).toBeDefined()

  const again = alice.hears('Ordered', AT_LENGTH)
  const third = alice.hears('Ordered', AT_LENGTH)
  const next = await api.sendMessage(alice.id, 'Ordered')
  const last = await api.sendMessage(alice.id, 'Ordered')
  expect([(await again).message_id, (await third).message_id]).toEqual([next.message_id, last.message_id])
})

test('an edit counts as a new message, each person hears separately, and the order of calls does not matter', async () => {
  const offer = await api.sendMessage(group.id, 'Offer: tea')
  await api.sendMessage(group.id, 'Bye')
  await bob.hears('Bye')
  await bob.hears('Offer')
  await alice.hears('Offer')
  const later = bob.hears('Offer', AT_LENGTH)
  await api.editMessageText(group.id, offer.message_id, 'Offer: coffee')
  expect((await later).text).toBe('Offer: coffee')
})

test('after: excludes answers to earlier messages', async () => {
  await alice.to(bot).sends('/start')
  await api.sendMessage(alice.id, 'Welcome. Say /buy')
  const said = await alice.to(bot).sends('/buy')
  await expect(alice.hears('buy', { after: said })).rejects.toThrow(/did not hear "buy"/)
})

test('after: also works if its message was edited or deleted since', async () => {
  const ordered = () => api.sendMessage(alice.id, 'Ordered')
  await alice.to(bot).sends('/buy')
  await ordered()
  const deleted = await alice.to(bot).sends('/buy')
  await api.deleteMessage(alice.id, deleted.message_id)
  expect(alice.hasHeard('Ordered', { after: deleted })).toBeUndefined()
  await expect(alice.hears('Ordered', { after: deleted })).rejects.toThrow(/heard nothing at all/)

  const edited = await alice.to(bot).sends('/bay')
  const changed = await alice.to(bot).edits(edited, '/buy')
  expect(alice.hasHeard('Ordered', { after: edited })).toBeUndefined()
  expect(alice.hasHeard('Ordered', { after: changed })).toBeUndefined()

  await api.sendMessage(alice.id, 'Menu', {
    reply_markup: { inline_keyboard: [[{ text: 'Buy', callback_data: 'buy' }]] },
  })
  const menu = await alice.hears('Menu')
  await api.editMessageReplyMarkup(alice.id, menu.message_id)
  expect(alice.hasHeard('Ordered', { after: menu })).toBeUndefined()

  const poll = await alice.to(bot).sendsPoll('Tea?', ['Yes', 'No'])
  await alice.to(bot).votes(poll, 'Yes')
  expect(alice.hasHeard('Ordered', { after: poll })).toBeUndefined()
  const answer = await ordered()
  for (const after of [deleted, edited, changed, menu, poll])
    expect(alice.hasHeard('Ordered', { after })?.message_id).toBe(answer.message_id)
})

test('after: accepts a copy of a message, and rejects if the message is no longer visible', async () => {
  await alice.to(bot).sends('/buy')
  await api.sendMessage(alice.id, 'Ordered')
  const copied = await api.sendMessage(alice.id, 'Anything else?')
  expect(alice.hasHeard('Ordered', { after: copied })).toBeUndefined()
  await api.editMessageText(alice.id, copied.message_id, 'No?')
  expect(alice.hasHeard('No?', { after: copied })).toBeDefined()
  await api.deleteMessage(alice.id, copied.message_id)
  await expect(alice.hears('Ordered', { after: copied })).rejects.toThrow(
    /^Alice cannot listen after message \d+: they cannot see it now\. Pass a message that/,
  )
})

test('hears() refuses an empty text', async () => {
  await alice.to(bot).sends('/buy')
  await api.sendMessage(alice.id, 'Ordered')
  expect(() => alice.hasHeard('')).toThrow(/an empty text is in every message.*\/\.\/ matches any text/)
  await expect(alice.hears('')).rejects.toThrow(/an empty text is in every message/)
  await expect(alice.hears(undefined as unknown as string)).rejects.toThrow(/undefined is neither/)
  expect(alice.hasHeard(/./)).toBeDefined()
})

test('called() returns each call only once', async () => {
  await api.sendMessage(group.id, 'one')
  const one = await telegram.called('sendMessage')
  expect(one.params).toMatchObject({ text: 'one' })
  await expect(telegram.called('sendMessage')).rejects.toThrow(
    /^No bot called sendMessage \(as wanted\) within 50 ms\. .*waited for before.* \{ ever: true \}/,
  )
  expect(await telegram.called('sendMessage', { ever: true })).toBe(one)
  const both = Promise.all([telegram.called('sendMessage', AT_LENGTH), telegram.called('*', AT_LENGTH)])
  await api.sendMessage(group.id, 'two')
  await api.sendMessage(group.id, 'three')
  expect((await both).map(({ params }) => params.text)).toEqual(['two', 'three'])
})

test('mistakes in a scenario are refused by name', () => {
  expect(() => telegram.createBot({ username: 'nobody' })).toThrow(/does not end in "bot"/)
  expect(() => telegram.createUser({ firstName: '' })).toThrow(/firstName is empty/)
  expect(() => telegram.createUser({ firstName: 'X', id: alice.id })).toThrow(/is taken/)
  expect(() => telegram.createUser({ firstName: 'X', username: '@alice' })).toThrow(/write it without @/)
  expect(() => telegram.createUser({ firstName: 'X', id: 777000 })).toThrow(/is taken/)
  expect(() => telegram.createGroup({ title: 'X', owner: alice, id: 5 })).toThrow(/-1001234567890/)
  expect(() => telegram.clock.advance('soon' as '1s')).toThrow(/clock.advance/)
})

test('a custom clock is used for all dates', async () => {
  const other = await startTelegram({ clock: () => 1_700_000_000_000 })
  const carl = other.createUser({ firstName: 'Carl' })
  other.clock.advance('1h')
  const message = await carl.to(other.createBot({ username: 'clock_bot' })).sends('hi')
  expect(message.date).toBe(1_700_003_600)
  await other.close()
})

test('an edit changes only the caption of a photo', async () => {
  const photo = await bob.in(group).sendsPhoto('cat', { caption: 'old' })
  const edited = await bob.in(group).edits(photo, 'new /start')
  expect(edited).toMatchObject({ caption: 'new /start', photo: photo.photo })
  expect(edited.caption_entities).toEqual([{ type: 'bot_command', offset: 4, length: 6 }])
  expect(edited).not.toHaveProperty('text')
  const bare = await bob.in(group).edits(edited, '')
  expect(bare).toMatchObject({ photo: photo.photo })
  for (const gone of ['caption', 'caption_entities']) expect(bare).not.toHaveProperty(gone)
  expect(await updatesOf(call)).toMatchObject([
    { message: { caption: 'old' } },
    { edited_message: { caption: 'new /start' } },
    { edited_message: { photo: photo.photo } },
  ])
  const poll = await bob.in(group).sendsPoll('Tea?', ['Yes', 'No'])
  await expect(bob.in(group).edits(poll, 'Coffee?')).rejects.toThrow(/neither a text nor a caption/)
})

test('edits that Telegram would refuse reach no bot', async () => {
  const said = await bob.in(group).sends('hello')
  const long = bob.in(group).edits(said, 'x'.repeat(4097))
  await expect(long).rejects.toThrow(/4096 characters/)
  await expect(bob.in(group).edits(said, ' hello ')).rejects.toThrow(/it says that already/)
  const photo = await bob.in(group).sendsPhoto('cat', { caption: 'a cat' })
  await expect(bob.in(group).edits(photo, 'a cat')).rejects.toThrow(/it says that already/)
  await alice.in(group).restricts(bob, {})
  await expect(bob.in(group).edits(said, 'bye')).rejects.toThrow(/that takes can_send_messages/)
  await expect(bob.in(group).edits(photo, 'a dog')).rejects.toThrow(/that takes can_send_photos/)
  await alice.in(group).restricts(bob, { can_send_messages: true })
  await bob.in(group).edits(said, 'bye')
  expect((await updatesOf(call)).filter((update) => 'edited_message' in update)).toHaveLength(1)
  telegram.clock.advance('48h')
  await expect(bob.in(group).edits(said, 'late')).rejects.toThrow(/older than two days/)
  const old = await alice.in(group).sends('rules')
  telegram.clock.advance('3d')
  expect(await alice.in(group).edits(old, 'new rules')).toMatchObject({ text: 'new rules' })
})

test('a reaction needs the permission, and repeating it causes no update', async () => {
  const said = await bob.in(group).sends('hello')
  const reactions = async () => {
    const updates = await updatesOf(call, ['message_reaction'])
    return updates.filter((update) => 'message_reaction' in update).length
  }
  await reactions()
  await bob.in(group).reacts(said, '👍')
  await bob.in(group).reacts(said, '👍')
  expect(await reactions()).toBe(1)
  await alice.in(group).permits({ can_send_messages: true, can_react_to_messages: false })
  await expect(bob.in(group).reacts(said, '👎')).rejects.toThrow(/that takes can_react_to_messages/)
  await bob.in(group).reacts(said)
  expect(await reactions()).toBe(1)
  await alice.in(group).reacts(said, '👎')
  expect(await reactions()).toBe(1)
})

test('people cannot act in a different Telegram', async () => {
  const other = createTelegram()
  const bob = other.createUser({ firstName: 'Bob' })
  const club = other.createGroup({ title: 'Club', owner: bob })
  expect(() => alice.in(club)).toThrow(/"Club" is in another Telegram than Alice/)
  expect(() => bob.to(bot)).toThrow(/is in another Telegram than Bob/)
  await other.close()
})
