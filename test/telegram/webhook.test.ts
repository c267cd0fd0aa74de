import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Bot, InputFile, webhookCallback } from 'grammy'
import type { Update } from 'grammy/types'
import { type Person, startTelegram, type Telegram, type TelegramBot } from '../../src/telegram/index.js'
import { type Caller, caller } from './calling.js'

let telegram: Telegram
let bot: TelegramBot
let alice: Person
let call: Caller
const servers: Server[] = []

beforeEach(async () => {
  telegram = await startTelegram({ webhookRetry: '5ms', webhookTimeout: '1s' })
  bot = telegram.createBot({ username: 'webhook_bot' })
  alice = telegram.createUser({ firstName: 'Alice' })
  call = caller(telegram.apiRoot, bot)
})
afterEach(async () => {
  await telegram.close()
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

type Handler = (update: Update, response: ServerResponse, request: IncomingMessage) => void

async function listen(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(handler)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
}

const receive = (handler: Handler) =>
  listen(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    handler(JSON.parse(Buffer.concat(chunks).toString()) as Update, response, request)
  })

test('a grammY webhook receives updates, and checks the secret', async () => {
  const grammy = new Bot(bot.token, { client: { apiRoot: telegram.apiRoot }, botInfo: bot.info })
  grammy.on('message:text', (ctx) => ctx.reply(`Heard: ${ctx.message.text}`))
  const url = await listen(webhookCallback(grammy, 'http', { secretToken: 'right' }))
  await grammy.api.setWebhook(url, { secret_token: 'right' })
  await alice.to(bot).sends('hello')
  await alice.hears('Heard: hello')
  await telegram.settled()
  await grammy.api.setWebhook(url, { secret_token: 'wrong' })
  await alice.to(bot).sends('again')
  while ((await grammy.api.getWebhookInfo()).last_error_date === undefined) await new Promise(setImmediate)
  expect(await grammy.api.getWebhookInfo()).toMatchObject({
    url,
    pending_update_count: 1,
    last_error_message: 'Wrong response from the webhook: 401 Unauthorized',
    max_connections: 40,
  })
})

test('a failed delivery is repeated with the same update_id, in order', async () => {
  const seen: [number, string][] = []
  let failures = 3
  const url = await receive((update, response) => {
    seen.push([update.update_id, update.message?.text ?? ''])
    response.writeHead(failures-- > 0 ? 500 : 200).end()
  })
  await alice.to(bot).sends('one')
  await alice.to(bot).sends('two')
  await call('setWebhook', { url })
  await telegram.settled()
  const first = seen[0]?.[0] ?? 0
  expect(seen).toEqual([...Array(4).fill([first, 'one']), [first + 1, 'two']])
})

test('failures in one chat do not delay other chats', async () => {
  const bob = telegram.createUser({ firstName: 'Bob' })
  const url = await receive((update, response) => {
    response.writeHead(update.message?.from.id === alice.id ? 500 : 200).end()
  })
  await call('setWebhook', { url })
  await alice.to(bot).sends('stuck')
  await bob.to(bot).sends('through')
  while (bot.pending > 1) await new Promise(setImmediate)
  expect(bot.pending).toBe(1)
})

test('deliveries of one chat never overlap, and max_connections limits the rest', async () => {
  const open = new Map<number, ServerResponse>()
  const overlaps: number[] = []
  let most = 0
  const url = await receive((update, response) => {
    const chat = update.message?.chat.id ?? 0
    if (open.has(chat)) overlaps.push(chat)
    open.set(chat, response)
    most = Math.max(most, open.size)
  })
  await call('setWebhook', { url, max_connections: 2 })
  for (let index = 0; index < 4; index++) {
    const person = telegram.createUser({ firstName: `Person ${index}` })
    await person.to(bot).sends('one')
    await person.to(bot).sends('two')
  }
  while (open.size < 2) await new Promise(setImmediate)
  while (bot.pending > 0) {
    for (const [chat, response] of open) {
      open.delete(chat)
      response.end()
    }
    await new Promise(setImmediate)
  }
  expect(most).toBe(2)
  expect(overlaps).toEqual([])
})

test('a method in the reply is executed, except methods about updates and webhooks', async () => {
  const url = await receive((update, response) => {
    const method = update.message?.text === 'away' ? 'deleteWebhook' : 'sendMessage'
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ method, chat_id: update.message?.chat.id, text: 'By reply' }))
  })
  await call('setWebhook', { url })
  await alice.to(bot).sends('away')
  await alice.to(bot).sends('hello')
  await alice.hears('By reply')
  expect(telegram.calls('deleteWebhook')).toEqual([])
})

test.each([
  ['application/x-www-form-urlencoded', (to: number) => `method=sendMessage&chat_id=${to}&text=By+form`],
  [
    'multipart/form-data; boundary=b',
    (to: number) =>
      [['method', 'sendMessage'] as const, ['chat_id', to] as const, ['text', 'By form'] as const]
        .map(([name, value]) => `--b\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`)
        .join('')
        .concat('--b--'),
  ],
])('a method in a reply of %s is executed as well', async (type, reply) => {
  const url = await receive((update, response) => {
    response.setHeader('content-type', type)
    response.end(reply(update.message!.chat.id))
  })
  await call('setWebhook', { url })
  await alice.to(bot).sends('hello')
  await alice.hears('By form')
})

test('a Retry-After header of the webhook is respected', async () => {
  const times: number[] = []
  const url = await receive((_, response) => {
    times.push(performance.now())
    if (times.length === 1) response.writeHead(429, { 'retry-after': '1' })
    response.end('not JSON {')
  })
  await call('setWebhook', { url })
  await alice.to(bot).sends('hello')
  await telegram.settled({ timeout: '10s' })
  // Without the header, the delay would be 5 ms.
  expect(times[1]! - times[0]!).toBeGreaterThan(900)
})

test('a delivery that times out is repeated', async () => {
  // Long enough for a busy machine to answer the second time.
  const patient = await startTelegram({ webhookRetry: '5ms', webhookTimeout: '1s', patience: '30s' })
  const late = patient.createBot({ username: 'late_bot' })
  let tries = 0
  const url = await receive((_, response) => {
    if (++tries > 1) response.end()
  })
  await caller(patient.apiRoot, late)('setWebhook', { url })
  await patient.createUser({ firstName: 'Alice' }).to(late).sends('hello')
  await patient.settled()
  expect(tries).toBe(2)
  const info = await caller(patient.apiRoot, late)('getWebhookInfo')
  expect(info.result).toMatchObject({ last_error_message: 'Read timeout expired', pending_update_count: 0 })
  await patient.close()
})

test('getUpdates and a webhook exclude each other', async () => {
  const polling = call('getUpdates', { timeout: 30 })
  while (telegram.calls('getUpdates').length === 0) await new Promise(setImmediate)
  const url = await receive((_, response) => response.end())
  await call('setWebhook', { url, allowed_updates: ['message'] })
  expect(await polling).toMatchObject({
    error_code: 409,
    description: 'Conflict: terminated by setWebhook request',
  })
  expect(await call('getUpdates')).toEqual({
    ok: false,
    error_code: 409,
    description:
      "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
  })
  expect((await call('getWebhookInfo')).result).toMatchObject({ url, allowed_updates: ['message'] })
  await call('deleteWebhook')
  expect((await call('getWebhookInfo')).result).toMatchObject({ url: '', pending_update_count: 0 })
  await alice.to(bot).sends('hello')
  await call('setWebhook', { url: '', drop_pending_updates: true })
  expect((await call('getUpdates')).result).toEqual([])
})

test('setWebhook checks the URL of a hosted webhook as Telegram does', async () => {
  const refused = async (url: string) => {
    const end = telegram.hosts(url, () => new Response())
    const { description } = await call('setWebhook', { url })
    end()
    return description
  }
  expect(await refused('http://bot.example/hook')).toBe(
    'Bad Request: bad webhook: An HTTPS URL must be provided for webhook',
  )
  expect(await refused('https://bot.example:9999/hook')).toBe(
    'Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443',
  )
  for (const url of ['https://bot.example/hook', 'https://bot.example:8443/hook', 'http://localhost:9/hook'])
    expect(await refused(url)).toBeUndefined()
})

test('getWebhookInfo shows the certificate and the address that were set', async () => {
  const { api } = new Bot(bot.token, bot.config)
  const url = 'http://127.0.0.1:9/hook'
  const certificate = new InputFile(Buffer.from('certificate'), 'bot.pem')
  await api.setWebhook(url, { certificate, ip_address: '203.0.113.7' })
  expect(await api.getWebhookInfo()).toMatchObject({
    has_custom_certificate: true,
    ip_address: '203.0.113.7',
  })
  await api.setWebhook(url)
  expect(await api.getWebhookInfo()).toMatchObject({ has_custom_certificate: false, ip_address: '127.0.0.1' })
})

test('ip_address of a webhook must be an IPv4 address', async () => {
  const refused = async (ip_address: string) =>
    (await call('setWebhook', { url: 'http://127.0.0.1:9/hook', ip_address })).description
  expect(await refused('bot.example')).toBe('Bad Request: bad webhook: Invalid IP address specified')
  expect(await refused('2001:db8::1')).toBe('Bad Request: bad webhook: IPv6-only addresses are not allowed')
  expect((await call('getWebhookInfo')).result).toMatchObject({ url: '' })
  expect(await refused('')).toBeUndefined()
})

test('webhooks must be on this machine, and secret tokens are checked', async () => {
  expect(await call('setWebhook', { url: 'https://example.com/hook' })).toMatchObject({
    error_code: 400,
    description: expect.stringMatching(/^Bad Request: bad webhook: the embedded Telegram delivers only to/),
  })
  expect(await call('setWebhook', { url: 'http://127.0.0.1/', secret_token: 'no spaces' })).toMatchObject({
    description: 'Bad Request: secret token contains unallowed characters',
  })
})
