import { Api } from 'grammy'
import {
  createTelegram,
  type Person,
  type Telegram,
  type TelegramBot,
  type TelegramChannel,
  type TelegramGroup,
} from '../../src/telegram/index.js'

let telegram: Telegram
let bot: TelegramBot
let api: Api
let olga: Person
let eve: Person
let plaza: TelegramGroup
let news: TelegramChannel

const KINDS = ['message', 'edited_message', 'callback_query', 'poll_answer', 'message_reaction'] as const

beforeEach(async () => {
  telegram = createTelegram()
  bot = telegram.createBot({ username: 'plaza_bot' })
  olga = telegram.createUser({ firstName: 'Olga' })
  eve = telegram.createUser({ firstName: 'Eve' })
  plaza = telegram.createGroup({ title: 'Plaza', owner: olga, admins: [bot] })
  news = telegram.createChannel({ title: 'News', username: 'news', owner: olga, linkedGroup: plaza })
  api = new Api(bot.token, bot.config.client)
  await updates()
})
afterEach(() => telegram.close())

const updates = async () => {
  const given = await api.getUpdates({ allowed_updates: KINDS })
  const last = given.at(-1)
  if (last !== undefined) await api.getUpdates({ offset: last.update_id + 1 })
  return given
}
const discussed = async (text: string) => {
  await olga.in(news).posts(text)
  const copy = plaza.messages.at(-1)
  if (copy?.is_automatic_forward !== true) throw new Error('The post was not forwarded')
  await updates()
  return copy
}

test('readers of a channel can comment in its discussion group without joining it', async () => {
  const copy = await discussed('We are open')
  const comment = await eve.in(plaza).replies(copy, 'first!')
  await eve.in(plaza).edits(comment, 'First!')
  await eve.in(plaza).reacts(copy, '👍')
  expect(await updates()).toMatchObject([
    { message: { from: { id: eve.id }, reply_to_message: { message_id: copy.message_id } } },
    { edited_message: { text: 'First!' } },
    { message_reaction: { user: { id: eve.id } } },
  ])
  expect(await api.getChatMember(plaza.id, eve.id)).toMatchObject({ status: 'left' })
  await api.sendMessage(plaza.id, 'Welcome', { reply_parameters: { message_id: comment.message_id } })
  expect(await eve.hears('Welcome', { in: plaza, after: comment })).toMatchObject({ text: 'Welcome' })
  expect(eve.heard).toEqual([])
})

test('permissions of members and slow mode apply to commenters', async () => {
  const copy = await discussed('We are open')
  await olga.in(plaza).setsSlowMode('1h')
  await eve.in(plaza).replies(copy, 'one')
  await expect(eve.in(plaza).replies(copy, 'two')).rejects.toThrow(/retry after/)
  await olga.in(plaza).permits({ can_send_messages: true })
  await expect(eve.in(plaza).sendsPhoto('cat')).rejects.toThrow(/not enough rights to send photos/)
})

test('users who are banned or restricted, or cannot read the channel, cannot comment', async () => {
  const copy = await discussed('We are open')
  await api.restrictChatMember(plaza.id, eve.id, { can_send_messages: false })
  await expect(eve.in(plaza).replies(copy, 'first!')).rejects.toThrow(/restricted and lack can_send_messages/)
  await api.banChatMember(plaza.id, eve.id)
  await expect(eve.in(plaza).replies(copy, 'first!')).rejects.toThrow(/they cannot see it/)
  await expect(eve.in(plaza).sends('first!')).rejects.toThrow(/not a member \(kicked\)/)
  const cellar = telegram.createGroup({ title: 'Cellar', owner: olga })
  telegram.createChannel({ title: 'Secrets', owner: olga, linkedGroup: cellar })
  await expect(eve.in(cellar).sends('first!')).rejects.toThrow(/not a member \(left\)/)
})

test('with joinToWrite only members can comment, but others can still read and tap', async () => {
  const club = telegram.createGroup({ title: 'Club', owner: olga, admins: [bot], joinToWrite: true })
  telegram.createChannel({ title: 'Letters', username: 'letters', owner: olga, linkedGroup: club })
  const said = await api.sendMessage(club.id, 'Choose', {
    reply_markup: { inline_keyboard: [[{ text: 'Join', callback_data: 'join' }]] },
  })
  await expect(eve.in(club).replies(said, 'Me!')).rejects.toThrow(/not a member \(left\)/)
  await eve.in(club).taps(said, 'Join')
  expect(await updates()).toMatchObject([{ callback_query: { from: { id: eve.id }, data: 'join' } }])
  expect(await api.getChat(club.id)).toMatchObject({ join_to_send_messages: true })
  expect(await api.getChat(plaza.id)).not.toHaveProperty('join_to_send_messages')
})

test('a basic group keeps joinToWrite when it is upgraded', async () => {
  const cellar = telegram.createGroup({ title: 'Cellar', owner: olga, basic: true, joinToWrite: true })
  const club = await olga.in(cellar).upgrades()
  telegram.createChannel({ title: 'Letters', username: 'letters', owner: olga, linkedGroup: club })
  await expect(eve.in(club).sends('Me!')).rejects.toThrow(/not a member \(left\)/)
})

test('anybody can tap and vote in a public group or channel, but only members can write', async () => {
  const square = telegram.createGroup({ title: 'Square', username: 'square', owner: olga, admins: [bot] })
  await olga.in(news).promotes(bot)
  for (const place of [square, news]) {
    const offer = await api.sendMessage(place.id, 'Choose', {
      reply_markup: { inline_keyboard: [[{ text: 'Go', callback_data: 'go' }]] },
    })
    const poll = await api.sendPoll(square.id, 'Lunch?', ['Soup', 'Rice'], { is_anonymous: false })
    await updates()
    const there = place.kind === 'channel' ? eve.in(place) : eve.in(place)
    await there.taps(offer, 'Go')
    await eve.in(square).votes(poll, 'Soup')
    expect(await updates()).toMatchObject([
      { callback_query: { from: { id: eve.id } } },
      { poll_answer: { user: { id: eve.id }, option_ids: [0] } },
    ])
    await expect(there.sends('hello')).rejects.toThrow(/not a member \(left\)/)
  }
})

test('a private group is invisible to strangers', async () => {
  const cellar = telegram.createGroup({ title: 'Cellar', owner: olga, admins: [bot] })
  const said = await api.sendMessage(cellar.id, 'Choose')
  await expect(eve.in(cellar).reacts(said, '👍')).rejects.toThrow(/they cannot see it/)
  expect(eve.hasHeard('Choose', { in: cellar })).toBeUndefined()
})

test('the kind of a group distinguishes basic groups from supergroups', async () => {
  const cellar = telegram.createGroup({ title: 'Cellar', owner: olga, basic: true })
  expect([plaza.kind, cellar.kind, news.kind]).toEqual(['supergroup', 'group', 'channel'])
  expect((await olga.in(cellar).upgrades()).kind).toBe('supergroup')
})

test('a basic group is refused as the discussion group of a channel', () => {
  const attic = telegram.createGroup({ title: 'Attic', owner: olga, basic: true })
  expect(() => telegram.createChannel({ title: 'Notes', owner: olga, linkedGroup: attic })).toThrow(
    /createChannel\.linkedGroup: a basic group cannot be a discussion group/,
  )
})
