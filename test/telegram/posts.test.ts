import { Api } from 'grammy'
import {
  createTelegram,
  type Person,
  type Telegram,
  type TelegramBot,
  type TelegramChannel,
} from '../../src/telegram/index.js'

let telegram: Telegram
let bot: TelegramBot
let api: Api
let olga: Person
let bob: Person
let news: TelegramChannel

beforeEach(() => {
  telegram = createTelegram({ clock: 'virtual' })
  bot = telegram.createBot({ username: 'news_bot' })
  olga = telegram.createUser({ firstName: 'Olga' })
  bob = telegram.createUser({ firstName: 'Bob' })
  const plaza = telegram.createGroup({ title: 'Plaza', owner: olga })
  const admins = [bot, { who: bob, rights: { can_edit_messages: false } }]
  news = telegram.createChannel({ title: 'News', owner: olga, admins, linkedGroup: plaza })
  api = new Api(bot.token, bot.config.client)
})
afterEach(() => telegram.close())

const editors = () =>
  news.world.adminLog.of(news.room).flatMap(({ by, event }) => (event.what === 'edited' ? [by.id] : []))

test('administrators of a channel can edit posts of others at any time, and the admin log names the editor', async () => {
  const post = await bob.in(news).posts('Opn')
  await bob.in(news).edits(post, 'Open')
  expect(editors()).toEqual([bob.id])
  telegram.clock.advance('3d')
  expect(await olga.in(news).edits(post, 'We are open')).toMatchObject({ text: 'We are open' })
  expect(await api.getUpdates()).toMatchObject([{ edited_channel_post: { text: 'We are open' } }])
  await api.editMessageText(news.id, post.message_id, 'We are closed')
  expect(editors()).toEqual([bot.id, olga.id])
})

test('without can_edit_messages they can edit only their own posts, for two days, and only with can_post_messages', async () => {
  const own = await bob.in(news).posts('hello')
  const post = await olga.in(news).posts('Open')
  await expect(bob.in(news).edits(post, 'x')).rejects.toThrow(/that takes the right can_edit_messages/)
  await olga.in(news).promotes(bob, { can_edit_messages: false, can_post_messages: false })
  await expect(bob.in(news).edits(own, 'x')).rejects.toThrow(/that takes the right can_post_messages/)
  await olga.in(news).promotes(bob, { can_post_messages: true })
  await bob.in(news).edits(own, 'bye')
  telegram.clock.advance('2d')
  await expect(bob.in(news).edits(own, 'x')).rejects.toThrow(/older than two days/)
})
