import { createServer, request as httpRequest, type Server } from 'node:http'
import { connect, createServer as createHttp2 } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { Bot } from 'grammy'
import { Hono } from 'hono'
import { sentinel } from '../../src/index.js'
import { startTelegram, type Telegram } from '../../src/telegram/index.js'
import type { Webhook } from '../../src/webhook/index.js'
import { says } from '../sentinel/desk.js'
import { until } from '../servers/until.js'
import { gate, SECRET } from './stand.js'

let telegram: Telegram
const closing: (() => unknown)[] = []
beforeEach(async () => {
  telegram = await startTelegram()
})
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
  await telegram.close()
})

/** Sends a request; the result disconnects. */
type Asking = (port: number, body: string) => () => void
const headers = { 'x-telegram-bot-api-secret-token': SECRET }
const byHttp: Asking = (port, body) => {
  const asked = httpRequest({ port, method: 'POST', path: '/hook', headers })
  asked.on('error', () => undefined)
  asked.end(body)
  return () => asked.destroy()
}
const byHttp2: Asking = (port, body) => {
  const session = connect(`http://127.0.0.1:${port}`)
  closing.push(() => session.destroy())
  const stream = session.request({ ':method': 'POST', ':path': '/hook', ...headers })
  stream.on('error', () => undefined)
  stream.end(body)
  return () => stream.close()
}

const SERVERS: readonly (readonly [string, (webhook: Webhook) => unknown, Asking])[] = [
  ['node:http', (webhook) => createServer(webhook.http).listen(0), byHttp],
  ['node:http2', (webhook) => createHttp2(webhook.http).listen(0), byHttp2],
  ['hono', (webhook) => serve({ fetch: new Hono().post('/hook', webhook.hono).fetch, port: 0 }), byHttp],
]

test.each(SERVERS)('behind %s no call is lost when the client has disconnected', async (_, start, ask) => {
  const account = telegram.createBot({ username: 'answering_bot' })
  const alice = telegram.createUser({ firstName: 'Alice' })
  await alice.to(account).sends('hello')
  const bot = new Bot(account.token, {
    client: { apiRoot: telegram.apiRoot, canUseWebhookReply: (method) => method === 'sendMessage' },
  })
  const guard = sentinel({ membership: false }).install(bot)
  closing.push(() => guard.close())
  const { opened, open } = gate()
  let running = false
  bot.on('message', async (ctx) => {
    running = true
    await opened
    await ctx.api.sendMessage(alice.id, 'Heard you')
  })
  const server = start(guard.webhook(bot, { secret: SECRET, reply: true })) as Server
  closing.push(() => server.close())
  let left = false
  server.on('request', (_request, response) =>
    response.on('close', () => {
      left = true
    }),
  )
  await until('it listens', () => server.listening)
  const leave = ask((server.address() as AddressInfo).port, JSON.stringify(says(alice.id, 'hello')))
  await until('the handler runs', () => running)
  leave()
  await until('the server knows', () => left)
  open()
  await alice.hears('Heard you')
})
