import { request } from 'node:http'
import { Bot, HttpError } from 'grammy'
import { startTelegram, type Telegram, type TelegramBot } from '../../src/telegram/index.js'
import { Stopwatch } from '../servers/stopwatch.js'
import { type Caller, caller } from './calling.js'

let telegram: Telegram
let bot: TelegramBot
let call: Caller

beforeEach(async () => {
  telegram = await startTelegram()
  bot = telegram.createBot({ username: 'http_bot' })
  call = caller(telegram.apiRoot, bot)
})
afterEach(() => telegram.close())

async function get(path: string): Promise<[number, unknown]> {
  const response = await fetch(`${telegram.apiRoot}${path}`)
  return [response.status, await response.json()]
}

test('methods are case-insensitive, and accept GET with a query as well as POST', async () => {
  const alice = telegram.createUser({ firstName: 'Alice' })
  await alice.to(bot).sends('/start')
  expect(await get(`/bot${bot.token}/GETME`)).toMatchObject([200, { ok: true, result: { id: bot.id } }])
  const markup = JSON.stringify({ inline_keyboard: [[{ text: 'A', callback_data: 'a' }]] })
  const query = new URLSearchParams({ chat_id: String(alice.id), text: 'hi', reply_markup: markup })
  const [, answer] = await get(`/bot${bot.token}/sendmessage?${query}`)
  expect(answer).toMatchObject({
    result: { text: 'hi', reply_markup: { inline_keyboard: [[{ text: 'A' }]] } },
  })
  expect(telegram.calls('sendMessage')).toMatchObject([
    { method: 'sendMessage', params: { reply_markup: { inline_keyboard: [[{ callback_data: 'a' }]] } } },
  ])
})

test('fields of urlencoded and multipart bodies are converted to their types', async () => {
  const alice = telegram.createUser({ firstName: 'Alice' })
  const group = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [bot] })
  const bob = telegram.createUser({ firstName: 'Bob' })
  await bob.in(group).joins()
  const fields = {
    chat_id: String(group.id),
    user_id: String(bob.id),
    permissions: '{"can_send_messages":false}',
  }
  const url = `${telegram.apiRoot}/bot${bot.token}`
  const urlencoded = await fetch(`${url}/restrictChatMember`, {
    method: 'POST',
    body: new URLSearchParams(fields),
  })
  expect(await urlencoded.json()).toEqual({ ok: true, result: true })
  expect(group.member(bob).status).toBe('restricted')
  const form = new FormData()
  form.set('chat_id', String(group.id))
  form.set('user_id', String(bob.id))
  form.set('only_if_banned', 'False')
  const multipart = await fetch(`${url}/unbanChatMember`, { method: 'POST', body: form })
  expect(await multipart.json()).toEqual({ ok: true, result: true })
  expect(group.member(bob).status).toBe('left')
})

test('unknown methods, paths and tokens are answered in the shape of Telegram’s answers', async () => {
  expect(await call('sendGame', { chat_id: 1 })).toEqual({
    ok: false,
    error_code: 501,
    description: 'Not Implemented: the embedded Telegram does not serve sendGame yet',
  })
  expect(await call('sendTelegram')).toEqual({
    ok: false,
    error_code: 404,
    description: 'Not Found: method not found',
  })
  expect(await get('/')).toEqual([404, { ok: false, error_code: 404, description: 'Not Found' }])
  expect(await get(`/bot${bot.id}:wrong/getMe`)).toEqual([
    401,
    { ok: false, error_code: 401, description: 'Unauthorized' },
  ])
})

test.each([
  ['application/json', '{"chat_id":'],
  ['application/json', '[1]'],
  ['multipart/form-data', 'x'],
  ['multipart/form-data; boundary=b', '--b\r\nContent-Disposition: form-data; name="x"\r\n\r\ncut'],
  ['text/plain', 'chat_id=1'],
])('a malformed body of %s is a bad request', async (type, body) => {
  const response = await fetch(`${telegram.apiRoot}/bot${bot.token}/sendMessage`, {
    method: 'POST',
    headers: { 'content-type': type },
    body,
  })
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({ ok: false, error_code: 400 })
})

test('a body of more than 50 MB is refused', async () => {
  const response = await fetch(`${telegram.apiRoot}/bot${bot.token}/sendMessage`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: Buffer.alloc(52 * 1024 * 1024),
  }).then(
    (answered) => answered.status,
    // The connection may be cut while the rest is still being sent.
    () => 413,
  )
  expect(response).toBe(413)
})

test('only requests with a loopback Host are served', async () => {
  const url = new URL(`${telegram.apiRoot}/bot${bot.token}/getMe`)
  const status = await new Promise((resolve) => {
    request(url, { headers: { host: 'evil.example' } }, (response) => {
      response.resume()
      resolve(response.statusCode)
    }).end()
  })
  expect(status).toBe(421)
})

test('faults strike once or as often as set, in order, and only their method', async () => {
  telegram.faults.next('getMe', { code: 429, retryAfter: 3 })
  telegram.faults.next('getMe', { code: 403, description: 'Forbidden: bot was blocked by the user' })
  telegram.faults.next('getMe', { code: 500, times: 2 })
  expect(await call('getMyCommands')).toMatchObject({ ok: true })
  expect(await call('getMe')).toEqual({
    ok: false,
    error_code: 429,
    description: 'Too Many Requests: retry after 3',
    parameters: { retry_after: 3 },
  })
  expect(await call('getMe')).toMatchObject({ description: 'Forbidden: bot was blocked by the user' })
  expect(await call('getMe')).toMatchObject({ error_code: 500 })
  expect(await call('getMe')).toMatchObject({ error_code: 500 })
  expect(await call('getMe')).toMatchObject({ ok: true })
  expect(() => telegram.faults.next('getMe', {})).toThrow(/say what goes wrong/)
})

test('a dropped call has no effect, but a call dropped after it was executed has', async () => {
  const alice = telegram.createUser({ firstName: 'Alice' })
  await alice.to(bot).sends('/start')
  const grammy = new Bot(bot.token, { client: { apiRoot: telegram.apiRoot } })
  telegram.faults.next('sendMessage', { drop: true })
  await expect(grammy.api.sendMessage(alice.id, 'lost')).rejects.toThrow(HttpError)
  telegram.faults.next('sendMessage', { drop: 'after' })
  await expect(grammy.api.sendMessage(alice.id, 'sent')).rejects.toThrow(HttpError)
  expect(alice.heard.map((message) => message.text)).toEqual(['sent'])
  expect(telegram.calls('sendMessage').map((made) => made.result?.ok)).toEqual([undefined, true])
})

test('close() ends delayed calls', async () => {
  telegram.faults.next('getMe', { delay: '1h' })
  const waiting = expect(call('getMe')).rejects.toThrow('fetch failed')
  while (telegram.calls('getMe').length === 0) await new Promise(setImmediate)
  await telegram.close()
  await waiting
})

test('the record of calls contains no token and no secret', async () => {
  await call('setWebhook', { url: 'http://127.0.0.1:9/hook', secret_token: 'very-secret' })
  const recorded = JSON.stringify(telegram.calls())
  expect(recorded).toContain('http://127.0.0.1:9/hook')
  expect(recorded).not.toContain('very-secret')
  expect(recorded).not.toContain(bot.token)
})

test('starts within 50 ms', async () => {
  const took: number[] = []
  for (let run = 0; run < 5; run++) {
    const watch = new Stopwatch()
    const other = await startTelegram()
    watch.stop()
    took.push(watch.passed)
    await other.close()
  }
  // The best of five, because other processes may use the machine.
  expect(Math.min(...took)).toBeLessThan(50)
})
