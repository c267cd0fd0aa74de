// npm run interop:telegram: clients that others wrote hold a scripted conversation with people of the embedded Telegram, by long
// polling and by webhook. Reads dist: build first. Names of clients as arguments ask for these alone.
import { existsSync } from 'node:fs'
import { converse } from './conversation.mjs'

const entry = new URL('../../dist/telegram/index.js', import.meta.url)
if (!existsSync(entry)) {
  console.error('interop: dist is missing; run "npm run build" first')
  process.exit(1)
}
const { startTelegram } = await import(entry.href)
const clients = await Promise.all(
  ['telegraf', 'node-telegram-bot-api', 'gramio'].map((file) => import(`./${file}.mjs`)),
)
const wanted = process.argv.slice(2).map((name) => name.toLowerCase())
const chosen = clients.filter(({ name }) => wanted.length === 0 || wanted.includes(name.toLowerCase()))
const SECRET = 'the-secret-of-the-webhook'

let failed = chosen.length === 0
if (failed) console.error(`interop: no such client; there are ${clients.map(({ name }) => name).join(', ')}`)
for (const client of chosen)
  for (const way of ['polls', 'hooks']) {
    const what = `${client.name}, ${way === 'polls' ? 'long polling' : 'webhook'}`
    const telegram = await startTelegram({ patience: '20s' })
    let stop = () => undefined
    try {
      const account = telegram.createBot({ username: 'shop_bot' })
      stop = await client[way](account.token, telegram.apiRoot, SECRET)
      await converse(telegram, account)
      console.log(`ok      ${what}`)
    } catch (error) {
      failed = true
      console.error(`FAILED  ${what}\n${error instanceof Error ? error.stack : String(error)}`)
    } finally {
      // The bot first: one whose Telegram has gone would knock for ever.
      await stop()
      await telegram.close()
    }
  }

// Clients leave keep-alive connections and timers behind.
process.exit(failed ? 1 : 0)
