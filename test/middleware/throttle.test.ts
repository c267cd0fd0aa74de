import { Bot } from 'grammy'
import { throttle } from '../../src/middleware/throttle.js'
import { startTelegram, type Telegram } from '../../src/telegram/index.js'

let telegram: Telegram
beforeEach(async () => {
  telegram = await startTelegram()
})
afterEach(() => telegram.close())

test('a throttle alone lets so many through and says so once', async () => {
  const account = telegram.createBot({ username: 'guarded_bot' })
  const alice = telegram.createUser({ firstName: 'Alice' })
  const bot = new Bot(account.token, { client: { apiRoot: telegram.apiRoot } })
  const heard: string[] = []
  bot.use(throttle('3/1m'))
  bot.on('message:text', (ctx) => {
    heard.push(ctx.message.text)
  })
  const running = bot.start()
  for (const text of ['1', '2', '3', '4', '5']) await alice.to(account).sends(text)
  await telegram.settled()
  await alice.hears(/Slow down, please\. Try again in 20s\./)
  expect(heard).toEqual(['1', '2', '3'])
  expect(telegram.calls('sendMessage')).toHaveLength(1)
  await bot.stop()
  await running
})
