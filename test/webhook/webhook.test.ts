import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Bot } from 'grammy'
import { sentinel } from '../../src/index.js'
import { startTelegram, type Telegram } from '../../src/telegram/index.js'

let telegram: Telegram
let server: Server | undefined

beforeEach(async () => {
  telegram = await startTelegram({ webhookRetry: '5ms', webhookTimeout: '2s' })
})
afterEach(async () => {
  await telegram.close()
  server?.closeAllConnections()
  await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)))
})

test('updates of a real webhook are received, limited and answered', async () => {
  const account = telegram.createBot({ username: 'guarded_bot' })
  const alice = telegram.createUser({ firstName: 'Alice' })
  const bot = new Bot(account.token, { client: { apiRoot: telegram.apiRoot } })
  const guard = sentinel({ throttle: '2/1m' }).install(bot)
  bot.on('message:text', (ctx) => ctx.reply(`Heard: ${ctx.message.text}`))
  const webhook = guard.webhook(bot, { secret: 'right', addresses: ['127.0.0.1'] })
  server = createServer(webhook.http)
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
  await bot.api.setWebhook(url, { secret_token: 'right' })
  await alice.to(account).sends('one')
  await alice.hears('Heard: one')
  await alice.to(account).sends('two')
  await alice.hears('Heard: two')
  for (let i = 0; i < 5; i++) await alice.to(account).sends('more')
  await telegram.settled()
  await webhook.drain()
  const health = await guard.health()
  expect(health.tally).toMatchObject({ allowed: 2, denied: 5 })
  await guard.close()
})
