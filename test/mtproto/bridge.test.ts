import { Bot } from 'grammy'
import type { Update } from 'grammy/types'
import type { Content } from '../../src/telegram/index.js'
import { bob, both, bridged, client, look, onBothFaces, plaza, polled, poller, until } from './both-faces.js'
import { account, alice, face, client as made, telegram } from './stage.js'

onBothFaces()

test('chat_member updates: joining, leaving, restrictions, bans and promotions', async () => {
  const carol = telegram.createUser({ firstName: 'Carol', username: 'carol' })
  await carol.in(plaza).joins()
  await alice.in(plaza).restricts(carol, { can_send_messages: true, can_send_photos: true })
  await alice.in(plaza).promotes(bob, { can_delete_messages: true, can_restrict_members: true })
  await alice.in(plaza).bans(carol)
  await alice.in(plaza).unbans(carol)
  await bob.in(plaza).leaves()
  await until(() => polled.length >= 9)
  const { wire, api } = await both(polled.length)
  const members = (updates: unknown[]) => updates.filter((update) => 'chat_member' in (update as Update))
  expect(members(api).length).toBeGreaterThanOrEqual(6)
  // The protocol has no field for this right.
  const without = (updates: unknown[]) =>
    JSON.parse(JSON.stringify(updates).replaceAll(/"can_send_welcome_messages":(true|false),?/g, ''))
  expect(without(members(wire))).toEqual(without(members(api)))
})

test('my_chat_member updates: the bot is banned from a group and a channel, and returns', async () => {
  const news = telegram.createChannel({ title: 'News', owner: alice, admins: [account] })
  await alice.in(plaza).bans(account)
  await alice.in(news).bans(account)
  await both(2)
  await alice.in(plaza).unbans(account)
  await alice.in(plaza).adds(account)
  const changes = (updates: Update[]) => updates.filter(({ my_chat_member: told }) => told !== undefined)
  await until(() => changes(bridged).length === 4 && changes(polled).length === 4)
  const { wire, api } = await both(4)
  const own = (updates: unknown[]) =>
    (updates as Update[]).flatMap(({ my_chat_member: told }) =>
      told === undefined ? [] : [[told.chat, told.old_chat_member.status, told.new_chat_member]],
    )
  expect(own(wire)).toEqual(own(api))
})

test('a user blocks and unblocks the bot', async () => {
  await alice.to(account).sends('/start')
  await both(1)
  await alice.blocks(account)
  await alice.unblocks(account)
  const { wire, api } = await both(3)
  expect(wire.slice(1)).toEqual(api.slice(1))
})

test('callback queries, inline queries and reactions', async () => {
  const sent = await poller.api.sendMessage(plaza.id, 'Choose', {
    reply_markup: { inline_keyboard: [[{ text: 'One', callback_data: 'one' }]] },
  })
  bob.in(plaza).taps(sent, 'One')
  const tapped = await both(1)
  const question = bob.asks(account, 'cats')
  await both(2)
  await bob.in(plaza).reacts(sent, '👍')
  await bob.in(plaza).reacts(sent)
  const { wire, api } = await both(4)
  const untyped = api.map((update) => {
    const { inline_query } = update as Update
    // Only Telegram's own apps send the type of the chat.
    if (inline_query === undefined) return update
    const { chat_type: _, ...asked } = inline_query
    return { inline_query: asked }
  })
  expect(wire.slice(1)).toEqual(untyped.slice(1))
  const [tap] = tapped.wire as [Update]
  expect(tap.callback_query).toMatchObject({
    id: polled[0]?.callback_query?.id,
    from: polled[0]?.callback_query?.from,
    data: 'one',
    message: { message_id: sent.message_id, chat: { id: plaza.id, type: 'supergroup' } },
  })
  void question
})

test('a callback query that arrives while the client fetches missed updates', async () => {
  const menu = await poller.api.sendMessage(plaza.id, 'Choose', {
    reply_markup: { inline_keyboard: [[{ text: 'One', callback_data: 'one' }]] },
  })
  await client.close()
  const told: (string | undefined)[] = []
  const bot = new Bot(account.token, account.config)
  bot.use(({ message, callbackQuery }) => {
    told.push(message?.text ?? callbackQuery?.data)
    look()
  })
  await made().bridge(bot)
  await alice.to(account).sends('hello')
  await bob.in(plaza).taps(menu, 'One')
  await until(() => told.length === 2)
  expect(told.toSorted()).toEqual(['hello', 'one'])
})

test('join requests', async () => {
  const club = telegram.createGroup({ title: 'Club', owner: alice, admins: [account] })
  const carol = telegram.createUser({ firstName: 'Carol' })
  await carol.in(club).requestsToJoin({ bio: 'I like cats' })
  await both(1)
  await alice.in(club).approves(carol)
  const { wire, api } = await both(3)
  expect(wire).toEqual(api)
})

test('polls of the bot: votes and results', async () => {
  const sent = await poller.api.sendPoll(plaza.id, 'Tea?', [{ text: 'yes' }, { text: 'no' }], {
    is_anonymous: false,
    allows_multiple_answers: true,
  })
  await bob.in(plaza).votes(sent, 'yes')
  await bob.in(plaza).votes(sent, 'yes', 'no')
  const { wire, api } = await both(4)
  // Votes are numbered, results of polls are not, so their order may differ.
  const votes = (updates: unknown[]) =>
    (updates as Update[]).filter((update) => update.poll_answer !== undefined)
  const polls = (updates: unknown[]) => (updates as Update[]).filter(({ poll }) => poll !== undefined)
  expect([votes(wire), polls(wire)]).toEqual([votes(api), polls(api)])
  expect([votes(wire).length, polls(wire).length]).toEqual([2, 2])
})

test('messages: texts with entities, topics, posts, edits, photos, documents', async () => {
  await bob.in(plaza).sends('look at https://example.org and @alice')
  const said = await bob.in(plaza).sends('befor')
  await bob.in(plaza).edits(said, 'before')
  await bob.in(plaza).sendsPhoto('cat.jpg', { caption: 'my cat' })
  await bob.in(plaza).sendsDocument('notes.txt')
  const news = telegram.createChannel({ title: 'News', owner: alice, admins: [account] })
  await alice.in(news).posts('first')
  const { wire, api } = await both(6)
  const files = /"(file_id|file_unique_id|thumbnail)":("[^"]*"|\{[^}]*\}),?/g
  const without = (updates: unknown[]) =>
    JSON.parse(JSON.stringify(updates).replaceAll(files, '').replaceAll(',}', '}'))
  // Updates of different chats have no fixed order.
  const inPlaza = (updates: unknown[]) =>
    without(updates).filter((update: Update) => update.channel_post === undefined)
  expect(inPlaza(wire)).toEqual(inPlaza(api))
  expect(without(wire)).toEqual(expect.arrayContaining(without(api)))
})

test('messages: places, contacts, dice, polls, invoices, payments', async () => {
  const point = { latitude: 51.5, longitude: -0.1 }
  const contents: Content[] = [
    { location: { ...point, horizontal_accuracy: 30 } },
    { location: { ...point, live_period: 900, heading: 90, proximity_alert_radius: 200 } },
    { location: point, venue: { location: point, title: 'Pub', address: 'High Street 1' } },
    { contact: { phone_number: '+49170', first_name: 'Carol', last_name: 'C', user_id: alice.id } },
    { dice: { emoji: '🎯', value: 3 } },
    {
      invoice: { title: 'Tea', description: 'Green', start_parameter: '', currency: 'XTR', total_amount: 5 },
    },
    { pinned_message: await bob.in(plaza).sends('hello') },
  ]
  for (const content of contents) await bob.in(plaza).sendsContent(content)
  const quiz = await bob.in(plaza).sendsPoll('2 + 2?', ['3', '4'], { correct: 1 })
  await bob.in(plaza).stopsPoll(quiz)
  await bob.in(plaza).sendsPoll('Tea?', ['yes', 'no'], { isAnonymous: false, allowsMultiple: true })
  const { query } = await alice.pays(account, { payload: 'tea', amount: 5 })
  await poller.api.answerPreCheckoutQuery(query.id, true)
  const hasPaid = (updates: Update[]) =>
    updates.some(({ message }) => message?.successful_payment !== undefined)
  await until(
    () =>
      hasPaid(polled) &&
      hasPaid(bridged) &&
      bridged.some(({ message }) => message?.poll?.question === 'Tea?'),
  )
  const told = (updates: Update[]) =>
    updates.flatMap(({ message }) => {
      if (message === undefined) return []
      const { message_id: _, ...rest } = message
      return [rest]
    })
  expect(told(polled)).toHaveLength(11)
  expect(told(bridged)).toHaveLength(11)
  expect(told(bridged)).toEqual(expect.arrayContaining(told(polled)))
})

test('updates that the bot missed are delivered as well, numbered or not', async () => {
  await bob.in(plaza).sends('before')
  await both(1)
  face.deliverBy(() => undefined)
  const said = await bob.in(plaza).sends('meanwhile')
  await bob.in(plaza).reacts(said, '👍')
  const carol = telegram.createUser({ firstName: 'Carol' })
  await carol.in(plaza).joins()
  face.deliverBy((send) => send())
  await alice.in(plaza).sends('after')
  await alice.to(account).sends('in private')
  await carol.in(plaza).leaves()
  await until(() => polled.length >= 9)
  const { wire, api } = await both(polled.length)
  const kinds = (updates: unknown[]) => updates.map((update) => Object.keys(update as object)[0]).sort()
  expect(kinds(wire)).toEqual(kinds(api))
})
