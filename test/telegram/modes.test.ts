import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { run } from '@grammyjs/runner'
import { Bot, HttpError, InlineKeyboard, InputFile, webhookCallback } from 'grammy'
import {
  createTelegram,
  type Person,
  startTelegram,
  type Telegram,
  type TelegramBot,
} from '../../src/telegram/index.js'
import { arrived } from './calling.js'

/** Sets a bot's webhook up, on a port or within the process, and returns its URL. */
type Hosting = (telegram: Telegram, bot: Bot) => Promise<string>

const servers: Server[] = []
const onPort: Hosting = async (_, bot) => {
  const callback = webhookCallback(bot, 'http', { secretToken: 'right' })
  const server = createServer((request, response) => {
    callback(request, response).catch(() => response.writeHead(500).end())
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
}
const inProcess: Hosting = async (telegram, bot) => {
  telegram.hosts('https://bot.example/hook', webhookCallback(bot, 'std/http', { secretToken: 'right' }))
  return 'https://bot.example/hook'
}

const modes: [string, () => Promise<Telegram>, Hosting][] = [
  ['over HTTP', () => startTelegram({ patience: '5s', webhookRetry: '5ms' }), onPort],
  ['within the process', async () => createTelegram({ patience: '5s', webhookRetry: '5ms' }), inProcess],
]

describe.each(modes)('%s', (_, make, host) => {
  let telegram: Telegram
  let account: TelegramBot
  let alice: Person
  let bot: Bot
  const ask = (method: string, init?: RequestInit): Promise<Response> =>
    (account.config.client.fetch === undefined ? fetch : telegram.fetch)(
      `${telegram.apiRoot}/bot${account.token}/${method}`,
      init,
    )

  beforeEach(async () => {
    telegram = await make()
    account = telegram.createBot({ username: 'mode_bot' })
    alice = telegram.createUser({ firstName: 'Alice' })
    bot = new Bot(account.token, account.config)
  })
  afterEach(async () => {
    await telegram.close()
    for (const server of servers.splice(0)) {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  })

  test('long polling: a bot answers, and stops when the Telegram is closed', async () => {
    bot.command('start', (ctx) => ctx.reply(`Welcome, ${ctx.from?.first_name}!`))
    await telegram.runs(bot)
    await alice.to(account).sends('/start')
    await alice.hears('Welcome, Alice!')
    await telegram.close()
    expect(bot.isRunning()).toBe(false)
  })

  test('a runner: taps are answered', async () => {
    bot.command('shop', (ctx) =>
      ctx.reply('Well?', { reply_markup: new InlineKeyboard().text('Buy', 'buy') }),
    )
    bot.callbackQuery('buy', (ctx) => ctx.answerCallbackQuery('Sold'))
    const runner = run(bot)
    await alice.to(account).sends('/shop')
    const tap = await alice.to(account).taps(await alice.hears('Well?'), 'Buy')
    expect(await tap.answer).toEqual({ text: 'Sold' })
    await runner.stop()
  })

  test('a webhook checks the secret, gets failed deliveries again, and may answer in its reply', async () => {
    const hooked = new Bot(account.token, {
      ...account.config,
      client: { ...account.config.client, canUseWebhookReply: (method) => method === 'sendMessage' },
    })
    let failures = 2
    hooked.on('message:text', async (ctx) => {
      if (failures-- > 0) throw new Error('not now')
      await ctx.reply(`Heard: ${ctx.message.text}`)
    })
    const url = await host(telegram, hooked)
    await hooked.api.setWebhook(url, { secret_token: 'right' })
    await alice.to(account).sends('hello')
    await alice.hears('Heard: hello')
    expect(failures).toBe(-1)
    await telegram.settled()
    await hooked.api.setWebhook(url, { secret_token: 'wrong' })
    await alice.to(account).sends('again')
    while ((await hooked.api.getWebhookInfo()).last_error_date === undefined) await new Promise(setImmediate)
    expect((await hooked.api.getWebhookInfo()).last_error_message).toMatch(
      /^Wrong response from the webhook: 401/,
    )
  })

  test('files can be uploaded and downloaded', async () => {
    await alice.to(account).sends('/start')
    const sent = await bot.api.sendDocument(alice.id, new InputFile(Buffer.from('abc'), 'list.txt'))
    const { file_path } = await bot.api.getFile(sent.document.file_id)
    const down = account.config.client.fetch === undefined ? fetch : telegram.fetch
    const file = await down(`${telegram.apiRoot}/file/bot${account.token}/${file_path}`)
    expect(await file.text()).toBe('abc')
  })

  test.each<[string, RequestInit]>([
    ['JSON', { body: '{"chat_id":1}', headers: { 'content-type': 'application/json' } }],
    ['a form', { body: new URLSearchParams({ chat_id: '1' }) }],
    [
      'multipart',
      {
        body: (() => {
          const form = new FormData()
          form.set('chat_id', '1')
          return form
        })(),
      },
    ],
  ])('%s is parsed in the same way', async (__, init) => {
    const response = await ask('getChat', { method: 'POST', ...init })
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual({
      ok: false,
      error_code: 400,
      description: 'Bad Request: chat not found',
    })
    expect(telegram.calls('getChat')).toMatchObject([{ params: { chat_id: expect.anything() } }])
  })

  test('errors have the same status, type and body', async () => {
    const told = async (path: string, init?: RequestInit): Promise<unknown> => {
      const get = account.config.client.fetch === undefined ? fetch : telegram.fetch
      const response = await get(`${telegram.apiRoot}${path}`, init)
      return [response.status, response.headers.get('content-type'), await response.json()]
    }
    const json = 'application/json'
    const failed = (code: number, description: string) => [
      code,
      json,
      { ok: false, error_code: code, description },
    ]
    expect(await told('/')).toEqual(failed(404, 'Not Found'))
    expect(await told('/bot1:2/getMe')).toEqual(failed(401, 'Unauthorized'))
    expect(await told(`/bot${account.token}/getMe`, { method: 'DELETE' })).toEqual(
      failed(405, 'Method Not Allowed'),
    )
    const body = Buffer.alloc(52 * 1024 * 1024)
    const large = await ask('sendMessage', { method: 'POST', body }).then(
      ({ status }) => status,
      // Over HTTP, the connection may be cut while the rest of the body is still being sent.
      () => 413,
    )
    expect(large).toBe(413)
  })

  test('faults have the same effect: errors, delays, cut connections, incomplete bodies and bodies without JSON', async () => {
    await alice.to(account).sends('/start')
    const { faults } = telegram
    faults.next('sendMessage', { code: 429, retryAfter: 3, delay: '1ms' })
    await expect(bot.api.sendMessage(alice.id, 'x')).rejects.toMatchObject({ parameters: { retry_after: 3 } })
    faults.next('sendMessage', { drop: true })
    await expect(bot.api.sendMessage(alice.id, 'lost')).rejects.toThrow(HttpError)
    faults.next('sendMessage', { drop: 'after' })
    await expect(bot.api.sendMessage(alice.id, 'sent, and nobody knows')).rejects.toThrow(HttpError)
    faults.next('sendMessage', { body: 'half' })
    await expect(bot.api.sendMessage(alice.id, 'sent, and half known')).rejects.toThrow(HttpError)
    faults.next('sendMessage', { code: 502, body: '<html>Bad Gateway</html>' })
    const page = await ask(`sendMessage?chat_id=${alice.id}&text=x`)
    expect([page.status, page.headers.get('content-type'), await page.text()]).toEqual([
      502,
      'text/html',
      '<html>Bad Gateway</html>',
    ])
    faults.next('sendMessage', { code: 500, body: 'half' })
    const half = await ask(`sendMessage?chat_id=${alice.id}&text=x`)
    expect(half.status).toBe(500)
    await expect(half.text()).rejects.toThrow(/terminated/)
    expect(alice.heard.map(({ text }) => text)).toEqual(['sent, and nobody knows', 'sent, and half known'])
    expect(telegram.calls('sendMessage').map(({ result }) => result?.ok)).toEqual([
      false,
      undefined,
      true,
      true,
      false,
      false,
    ])
  })

  test('an upload that is too large is refused with 413', async () => {
    const much = new InputFile(Buffer.alloc(52 * 1024 * 1024))
    await expect(bot.api.sendDocument(alice.id, much)).rejects.toMatchObject({ error_code: 413 })
  })

  test('a client that aborts its call loses no update', async () => {
    const end = new AbortController()
    const polling = ask('getUpdates?timeout=50', { signal: end.signal })
    await arrived(telegram, 'getUpdates')
    end.abort()
    await expect(polling).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }))
    await alice.to(account).sends('after')
    const answer = (await (await ask('getUpdates')).json()) as { result: unknown[] }
    expect(answer.result).toHaveLength(1)
    await expect(ask('getMe', { signal: AbortSignal.abort() })).rejects.toThrow(
      expect.objectContaining({ name: 'AbortError' }),
    )
  })

  test('two pollers: the first gets 409', async () => {
    const first = ask('getUpdates?timeout=50')
    await arrived(telegram, 'getUpdates')
    const second = ask('getUpdates?timeout=50')
    expect((await first).status).toBe(409)
    await telegram.close()
    expect((await second).status).toBe(409)
  })
})

test('within the process, no port is opened and no outside host is called', async () => {
  const telegram = createTelegram()
  const account = telegram.createBot({ username: 'shut_bot' })
  expect(new URL(telegram.apiRoot).hostname).toBe('telegram.invalid')
  const bot = new Bot(account.token, account.config)
  await expect(bot.api.setWebhook('https://bot.example/hook')).rejects.toThrow(/to what it hosts/)
  const end = telegram.hosts('https://bot.example/hook', () => new Response())
  await bot.api.setWebhook('https://bot.example/hook')
  end()
  await expect(bot.api.setWebhook('https://bot.example/hook')).rejects.toThrow(/to what it hosts/)
  expect(() => telegram.hosts('nowhere', () => new Response())).toThrow(/"nowhere" is not a URL/)
  await telegram.close()
})
