import { createServer, type RequestListener, type Server } from 'node:http'
import { Bot } from 'grammy'
import type { Update } from 'grammy/types'
import { sentinel } from '../../src/index.js'
import { Extras } from '../extras.js'
import { says } from '../sentinel/desk.js'
import { until } from '../servers/until.js'
import { gate, listening, SECRET, stand, stopped } from './stand.js'

const servers: Server[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await stopped(server)
})

async function serving(listener: RequestListener) {
  const server = createServer(listener)
  servers.push(server)
  const url = await listening(server)
  return async (update: Update, signal?: AbortSignal): Promise<number> => {
    const headers = { 'x-telegram-bot-api-secret-token': SECRET }
    const init = { method: 'POST', body: JSON.stringify(update), headers }
    return (await fetch(url, signal === undefined ? init : { ...init, signal })).status
  }
}

describe('if a timeout of other middleware has answered', () => {
  /** The middleware answers the first request as soon as its handler runs. */
  async function behindTimeOut(...given: Parameters<typeof stand>) {
    const at = stand(...given)
    const told: unknown[] = []
    at.guard.on('error', (event) => told.push(event))
    at.guard.on('warning', () => undefined)
    let first = true
    const send = await serving(async (request, response) => {
      at.webhook.http(request, response)
      if (!first) return
      first = false
      await until('its handler runs', () => at.reached.length === 1)
      response.writeHead(504).end()
    })
    return { ...at, told, send }
  }

  test('the end of the handler throws nothing', async () => {
    const { opened, open } = gate()
    const at = await behindTimeOut({}, (bot) => bot.use(() => opened))
    expect(await at.send(says(1, 'slow'))).toBe(504)
    const drained = at.webhook.drain()
    expect(await at.deliver(says(2, 'x'))).toBe(503)
    open()
    expect(await drained).toEqual({ left: 0 })
    expect(at.told).toEqual([])
  })

  test('a drain whose time is up answers all other requests', async () => {
    const at = await behindTimeOut({}, (bot) => bot.use(() => new Promise(() => undefined)))
    expect(await at.send(says(1, 'hangs'))).toBe(504)
    const other = at.send(says(2, 'hangs, too'))
    await until('both are at work', () => at.webhook.size === 2)
    const drained = at.webhook.drain('5s')
    expect(await at.deliver(says(3, 'x'))).toBe(503)
    at.time.advance(5000)
    expect(await drained).toEqual({ left: 2 })
    expect(await other).toBe(200)
  })
})

test('a response that throws is reported, and a waiting redelivery of the update is answered', async () => {
  const { opened, open } = gate()
  const at = stand({}, (bot) => bot.use(() => opened))
  const told: unknown[] = []
  at.guard.on('error', ({ during, error }) => told.push([during, error]))
  const update = says(1, 'hello')
  const response = {
    statusCode: 0,
    setHeader: () => undefined,
    end() {
      throw new Error('broken')
    },
  }
  const headers = { 'x-telegram-bot-api-secret-token': SECRET }
  at.webhook.http({ method: 'POST', headers, body: update, on: () => undefined }, response)
  await until('the handler runs', () => at.reached.length === 1)
  const other = at.deliver(update)
  open()
  expect(await other).toBe(200)
  expect(told).toEqual([['webhook.answer', new Error('broken')]])
})

describe('a call that could have been the answer is made as a request', () => {
  /** A bot that can reply through the webhook, and does so when the test allows it. */
  function replying() {
    const { opened, open } = gate()
    const calls: string[] = []
    const { account, config } = new Extras(Date.now, ({ method }) => calls.push(method)).hire(42)
    const client = { ...config.client, canUseWebhookReply: () => true }
    const bot = new Bot(account.token, { ...config, client })
    const webhook = sentinel({ membership: false }).install(bot).webhook(bot, { secret: SECRET, reply: true })
    let running = false
    bot.on('message', async (ctx) => {
      running = true
      await opened
      await ctx.reply('hello')
    })
    return {
      webhook,
      runs: () => until('the handler runs', () => running),
      async calls() {
        open()
        await until('it is handled', () => webhook.size === 0)
        return calls
      },
    }
  }

  test('if other middleware has answered', async () => {
    const at = replying()
    const send = await serving(async (request, response) => {
      at.webhook.http(request, response)
      await at.runs()
      response.writeHead(504).end()
    })
    expect(await send(says(1, 'hello'))).toBe(504)
    expect(await at.calls()).toEqual(['sendMessage'])
  })

  test('if the client has disconnected', async () => {
    const at = replying()
    let gone = false
    const send = await serving((request, response) => {
      response.on('close', () => {
        gone = true
      })
      at.webhook.http(request, response)
    })
    const asking = new AbortController()
    const asked = send(says(1, 'hello'), asking.signal)
    await at.runs()
    asking.abort()
    await expect(asked).rejects.toThrow()
    await until('the server has seen it', () => gone)
    expect(await at.calls()).toEqual(['sendMessage'])
  })
})
