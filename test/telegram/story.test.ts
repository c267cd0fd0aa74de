import { Bot, InlineKeyboard } from 'grammy'
import { startTelegram, type Telegram, type TelegramBot } from '../../src/telegram/index.js'

let telegram: Telegram
let account: TelegramBot
let bot: Bot
let running: Promise<void>

beforeEach(async () => {
  telegram = await startTelegram()
  account = telegram.createBot({ username: 'story_bot' })
  bot = new Bot(account.token, { client: { apiRoot: telegram.apiRoot } })
})

afterEach(async () => {
  await bot.stop()
  await running
  await telegram.close()
})

function start(allowed?: Parameters<typeof bot.start>[0]): void {
  running = bot.start(allowed)
}

test('a grammY bot answers over long polling', async () => {
  bot.command('start', (ctx) => ctx.reply(`Welcome, ${ctx.from?.first_name}!`))
  start()
  const alice = telegram.createUser({ firstName: 'Alice', languageCode: 'en' })
  const sent = await alice.to(account).sends('/start now')
  expect(sent).toMatchObject({
    from: { first_name: 'Alice', language_code: 'en', is_bot: false },
    chat: { id: alice.id, type: 'private' },
    entities: [{ type: 'bot_command', offset: 0, length: 6 }],
  })
  const welcome = await alice.hears(/welcome, alice/i)
  expect(welcome).toMatchObject({ message_id: 2, from: { username: 'story_bot', is_bot: true } })
})

test('a tap waits for its answer, and an unknown button is refused', async () => {
  bot.command('shop', (ctx) =>
    ctx.reply('Well?', { reply_markup: new InlineKeyboard().text('Buy', 'buy:1') }),
  )
  bot.callbackQuery('buy:1', (ctx) => ctx.answerCallbackQuery({ text: 'Sold', show_alert: true }))
  start()
  const alice = telegram.createUser({ firstName: 'Alice' })
  await alice.to(account).sends('/shop')
  const offer = await alice.hears('Well?')
  const tap = await alice.to(account).taps(offer, 'Buy')
  expect(await tap.answer).toEqual({ text: 'Sold', show_alert: true })
  expect(tap.answered).toBe(true)
  await expect(alice.to(account).taps(offer, 'Steal')).rejects.toThrow(/no such button.*"Buy"/)
})

test('settled() waits until the last handler has run', async () => {
  const seen: string[] = []
  bot.on('message:text', async (ctx) => {
    await ctx.replyWithChatAction('typing')
    seen.push(ctx.message.text)
  })
  start()
  const alice = telegram.createUser({ firstName: 'Alice' })
  for (const text of ['one', 'two', 'three']) await alice.to(account).sends(text)
  await telegram.settled()
  expect(seen).toEqual(['one', 'two', 'three'])
})
