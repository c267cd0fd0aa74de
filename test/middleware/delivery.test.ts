import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { run } from '@grammyjs/runner'
import { API_CONSTANTS, Bot, type Context, webhookCallback } from 'grammy'
import { Delivery } from '../../src/middleware/membership/delivery.js'
import { createServices, type Services } from '../../src/middleware/services.js'
import { sentinel } from '../../src/sentinel.js'
import {
  type Person,
  startTelegram,
  type Telegram,
  type TelegramBot,
  type TelegramGroup,
} from '../../src/telegram/index.js'
import { idle } from '../sentinel/desk.js'

let telegram: Telegram
let account: TelegramBot
let olga: Person
let carl: Person
let plaza: TelegramGroup
let services: Services
let warnings: string[]
let failures: string[]
const ends: (() => unknown)[] = []

beforeEach(async () => {
  telegram = await startTelegram()
  account = telegram.createBot({ username: 'delivery_bot' })
  olga = telegram.createUser({ firstName: 'Olga' })
  carl = telegram.createUser({ firstName: 'Carl' })
  plaza = telegram.createGroup({ title: 'Plaza', owner: olga, admins: [account] })
  services = createServices({})
  warnings = []
  failures = []
  services.events.on('warning', ({ code, message }) => warnings.push(`${code}: ${message}`))
  services.events.on('error', ({ during }) => failures.push(during))
})
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
  await telegram.close()
})

const DEFAULT = API_CONSTANTS.DEFAULT_UPDATE_TYPES
const NEEDS = ['chat_member', 'my_chat_member', 'chat_join_request']

function deliveryOf({ needs = NEEDS, wanted = true } = {}): Delivery {
  return new Delivery(
    () => needs,
    () => wanted,
    services,
  )
}

function botOf(delivery: Delivery, of: TelegramBot = account): { bot: Bot; seen: string[] } {
  const bot = new Bot(of.token, of.config)
  const seen: string[] = []
  bot.use((ctx: Context, next) => {
    delivery.seen(ctx)
    const { update_id: _, ...content } = ctx.update
    seen.push(...Object.keys(content))
    return next()
  })
  return { bot, seen }
}

async function polling(bot: Bot, options?: Parameters<Bot['start']>[0]): Promise<void> {
  const done = bot.start(options)
  ends.push(async () => {
    await bot.stop()
    await done
  })
  await asked(bot.botInfo.id)
}

/** Waits until the bot has told Telegram which kinds it wants. */
async function asked(id: number): Promise<void> {
  while (!telegram.calls('getUpdates').some((call) => call.bot.id === id)) await new Promise(setImmediate)
}

/** Waits for the look-ups in the background. */
async function found(): Promise<void> {
  await telegram.settled()
  await services.background.drain()
}

const allowedBy = (method: string): unknown[] =>
  telegram.calls(method).map(({ params }) => params.allowed_updates)

async function hook(bot: Bot): Promise<string> {
  const server: Server = createServer(webhookCallback(bot, 'http'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  ends.push(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
}

describe('polling', () => {
  test('with bot.start() after install, chat_member is delivered besides the default kinds, without a warning', async () => {
    const delivery = deliveryOf()
    const { bot, seen } = botOf(delivery)
    delivery.install(bot)
    await polling(bot)
    await carl.in(plaza).joins()
    await carl.in(plaza).sends('hello')
    await found()
    expect(seen).toEqual(['chat_member', 'message', 'message'])
    const lists = allowedBy('getUpdates')
    expect(lists.length).toBeGreaterThan(1)
    for (const list of lists) expect(list).toEqual([...DEFAULT, 'chat_member'])
    expect(telegram.calls('getWebhookInfo')).toEqual([])
    expect(warnings).toEqual([])
  })

  test('with bot.start() without install, chat_member is not delivered, with one warning', async () => {
    const { bot, seen } = botOf(deliveryOf())
    await polling(bot)
    await carl.in(plaza).joins()
    await carl.in(plaza).sends('hello')
    await found()
    expect(seen).toEqual(['message', 'message'])
    expect(warnings).toEqual([
      `delivery.notInstalled: Telegram does not deliver chat_member, so handlers for members stay silent. Call guard.install(bot) in place of bot.use(guard), or pass allowed_updates: ${JSON.stringify([...DEFAULT, 'chat_member'])} to bot.start() or the runner.`,
    ])
    expect(telegram.calls('getWebhookInfo')).toHaveLength(1)
  })

  test('without install and without membership handlers there is no warning', async () => {
    const { bot } = botOf(deliveryOf({ wanted: false }))
    await polling(bot)
    await carl.to(account).sends('hello')
    await found()
    expect(telegram.calls('getWebhookInfo')).toEqual([])
    expect(warnings).toEqual([])
  })

  test('without install there is no warning if the developer requested the kinds', async () => {
    const { bot, seen } = botOf(deliveryOf())
    await polling(bot, { allowed_updates: ['message', 'chat_member', 'my_chat_member', 'chat_join_request'] })
    await carl.in(plaza).joins()
    await found()
    expect(seen).toEqual(['chat_member', 'message'])
    expect(warnings).toEqual([])
  })

  test('a list of the developer is kept on every call, with the needed kinds added', async () => {
    const delivery = deliveryOf()
    const { bot, seen } = botOf(delivery)
    delivery.install(bot)
    await polling(bot, { allowed_updates: ['message', 'chat_member'] })
    await carl.in(plaza).joins()
    await carl.asks(account, 'cats')
    await found()
    await carl.in(plaza).sends('hello')
    await found()
    expect(seen).toEqual(['chat_member', 'message', 'message'])
    const lists = allowedBy('getUpdates')
    expect(lists.length).toBeGreaterThan(2)
    for (const list of lists)
      expect(list).toEqual(['message', 'chat_member', 'my_chat_member', 'chat_join_request'])
  })

  test('the runner without a list gets the needed kinds', async () => {
    const delivery = deliveryOf()
    const { bot, seen } = botOf(delivery)
    delivery.install(bot)
    const runner = run(bot)
    ends.push(() => runner.stop())
    await asked(account.id)
    await carl.in(plaza).joins()
    await found()
    expect(seen.sort()).toEqual(['chat_member', 'message'])
    for (const list of allowedBy('getUpdates')) expect(list).toEqual([...DEFAULT, 'chat_member'])
    expect(warnings).toEqual([])
  })

  test('the runner with a list gets the needed kinds added', async () => {
    const delivery = deliveryOf()
    const { bot } = botOf(delivery)
    delivery.install(bot)
    const runner = run(bot, { runner: { fetch: { allowed_updates: ['poll'] } } })
    ends.push(() => runner.stop())
    await asked(account.id)
    expect(allowedBy('getUpdates')).toEqual([['poll', ...NEEDS]])
  })

  test('a failed call is repeated with the full list', async () => {
    const delivery = deliveryOf()
    const { bot } = botOf(delivery)
    delivery.install(bot)
    telegram.faults.next('getUpdates', { code: 502 })
    await bot.api.getUpdates({ allowed_updates: ['poll'] }).catch(() => undefined)
    await bot.api.getUpdates()
    expect(allowedBy('getUpdates')).toEqual([
      ['poll', ...NEEDS],
      [...DEFAULT, 'chat_member'],
    ])
  })
})

describe('the transformer', () => {
  test('adds kinds to setWebhook: to the default, to a list, to the previous choice', async () => {
    const delivery = deliveryOf()
    const { bot, seen } = botOf(delivery)
    delivery.install(bot)
    const url = await hook(bot)
    await bot.api.setWebhook(url)
    await bot.api.setWebhook(url, { allowed_updates: ['message'] })
    await bot.api.setWebhook(url, { max_connections: 7 })
    await bot.api.setWebhook(url, { allowed_updates: [] })
    expect(telegram.calls('setWebhook').map(({ params }) => params)).toEqual([
      { url, allowed_updates: [...DEFAULT, 'chat_member'] },
      { url, allowed_updates: ['message', ...NEEDS] },
      { url, max_connections: 7, allowed_updates: ['message', ...NEEDS] },
      { url, allowed_updates: [...DEFAULT, 'chat_member'] },
    ])
    await carl.in(plaza).joins()
    await found()
    expect(seen.sort()).toEqual(['chat_member', 'message'])
    expect(telegram.calls('getWebhookInfo')).toEqual([])
  })

  test('changes only a copy of the payload, and no other method', async () => {
    const delivery = deliveryOf()
    const { bot } = botOf(delivery)
    delivery.install(bot)
    const payload = Object.freeze({ allowed_updates: Object.freeze(['poll' as const]), limit: 1 })
    await bot.api.raw.getUpdates(payload)
    expect(payload).toEqual({ allowed_updates: ['poll'], limit: 1 })
    await bot.api.getMe()
    await bot.api.sendMessage(plaza.id, 'hi')
    await bot.api.deleteWebhook()
    expect(telegram.calls('getMe')[0]?.params).toEqual({})
    expect(telegram.calls('sendMessage')[0]?.params).toEqual({ chat_id: plaza.id, text: 'hi' })
    expect(telegram.calls('deleteWebhook')[0]?.params).toEqual({})
  })

  test('changes nothing if no kinds are needed', async () => {
    const delivery = deliveryOf({ needs: [] })
    const { bot } = botOf(delivery)
    delivery.install(bot)
    await polling(bot)
    await carl.to(account).sends('hello')
    await found()
    expect(allowedBy('getUpdates')[0]).toEqual([])
    expect(telegram.calls('getWebhookInfo')).toEqual([])
  })

  test('requests the kinds that are needed at the time of the call', async () => {
    let needs = ['chat_member']
    const delivery = new Delivery(
      () => needs,
      () => true,
      services,
    )
    const { bot } = botOf(delivery)
    delivery.install(bot)
    await bot.api.getUpdates({ allowed_updates: ['message'] })
    needs = ['message_reaction']
    await bot.api.getUpdates()
    expect(allowedBy('getUpdates')).toEqual([
      ['message', 'chat_member'],
      ['message', 'message_reaction'],
    ])
  })

  test('is installed once per bot, and besides that of another guard', async () => {
    const delivery = deliveryOf({ needs: ['chat_member'] })
    const { bot } = botOf(delivery)
    delivery.install(bot)
    delivery.install(bot)
    expect(bot.api.config.installedTransformers()).toHaveLength(1)
    const twin = new Bot(account.token, { client: { apiRoot: telegram.apiRoot } })
    delivery.install(twin)
    await twin.api.getUpdates()
    deliveryOf({ needs: ['message_reaction'] }).install(bot)
    await bot.api.getUpdates()
    expect(allowedBy('getUpdates')).toEqual([
      [...DEFAULT, 'chat_member'],
      [...DEFAULT, 'message_reaction', 'chat_member'],
    ])
  })

  test('comes too late for a running bot', async () => {
    const delivery = deliveryOf()
    const { bot } = botOf(delivery)
    await polling(bot)
    expect(() => delivery.install(bot)).toThrow(
      expect.objectContaining({
        code: 'bot.started',
        message:
          'guard.install(bot): the bot is running, and has told Telegram which updates it wants. Install before bot.start().',
      }),
    )
  })
})

describe('a webhook that was set by another program', () => {
  const set = async (url: string, more: Record<string, unknown> = {}): Promise<void> => {
    const response = await fetch(`${telegram.apiRoot}/bot${account.token}/setWebhook`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ url, ...more }),
    })
    expect(response.ok).toBe(true)
  }

  test.each([
    ['the default', {}, 'chat_member', [...DEFAULT, 'chat_member']],
    [
      'a list',
      { allowed_updates: ['message', 'chat_member'] },
      'my_chat_member, chat_join_request',
      ['message', 'chat_member', 'my_chat_member', 'chat_join_request'],
    ],
  ])('with %s causes one warning that says how to fix it', async (_name, more, missing, list) => {
    for (const installed of [true, false]) {
      warnings.splice(0)
      services = { ...services, warn: (code, message) => warnings.push(`${code}: ${message}`) }
      const delivery = deliveryOf()
      const { bot, seen } = botOf(delivery)
      if (installed) delivery.install(bot)
      await set(await hook(bot), more)
      await carl.in(plaza).joins()
      await carl.in(plaza).leaves()
      await found()
      expect(seen).toContain('message')
      expect(warnings).toEqual([
        `delivery.webhook: The webhook that is set does not deliver ${missing}, so handlers for members stay silent, and changes of administrators are noticed ten minutes late. Call setWebhook again with allowed_updates: ${JSON.stringify(list)}, or on the api of the bot that guard.install(bot) was called with.`,
      ])
    }
    expect(telegram.calls('getWebhookInfo')).toHaveLength(2)
  })

  test.each([
    ['only membership needs them', NEEDS, true],
    ['another guard needs them', ['chat_member'], false],
  ])(
    'causes a warning even without handlers, which names membership: false only if nothing else needs the kinds: %s',
    async (_, needs, isSaid) => {
      const delivery = deliveryOf({ needs, wanted: false })
      const { bot } = botOf(delivery)
      delivery.install(bot)
      await set(await hook(bot))
      await carl.in(plaza).joins()
      await found()
      const [warning, ...more] = warnings
      expect(more).toEqual([])
      expect(warning?.endsWith(' If you need neither: sentinel({ membership: false }).')).toBe(isSaid)
    },
  )

  test('causes no warning with membership: false', async () => {
    const guard = sentinel({ membership: false })
    guard.on('warning', ({ code }) => warnings.push(code))
    const bot = new Bot(account.token, account.config)
    guard.install(bot)
    await set(await hook(bot))
    await carl.in(plaza).joins()
    await telegram.settled()
    await idle(guard)
    expect(telegram.calls('getWebhookInfo')).toEqual([])
    expect(warnings).toEqual([])
    await guard.close()
  })

  test('that delivers the needed kinds causes no warning', async () => {
    const delivery = deliveryOf()
    const { bot, seen } = botOf(delivery)
    delivery.install(bot)
    await set(await hook(bot), { allowed_updates: ['message', ...NEEDS] })
    await carl.in(plaza).joins()
    await found()
    expect(seen).toContain('chat_member')
    expect(telegram.calls('getWebhookInfo')).toHaveLength(1)
    expect(warnings).toEqual([])
  })

  test('is looked up in the background; a failure is reported and stops nothing', async () => {
    telegram.faults.next('getWebhookInfo', { code: 500 })
    const delivery = deliveryOf()
    const { bot, seen } = botOf(delivery)
    delivery.install(bot)
    await set(await hook(bot))
    await carl.to(account).sends('hello')
    await found()
    expect(seen).toEqual(['message'])
    expect(failures).toEqual(['delivery'])
    expect(warnings).toEqual([])
  })
})

test('the webhook of each bot is looked up once, in whatever order their updates arrive', async () => {
  const other = telegram.createBot({ username: 'other_bot' })
  const delivery = deliveryOf()
  for (const each of [account, other]) await polling(botOf(delivery, each).bot)
  for (const text of ['1', '2', '3']) {
    await carl.to(account).sends(text)
    await carl.to(other).sends(text)
    await found()
  }
  expect(
    telegram
      .calls('getWebhookInfo')
      .map(({ bot }) => bot.id)
      .sort(),
  ).toEqual([account.id, other.id].sort())
  // The fix is the same for both bots, so there is one warning.
  expect(warnings).toHaveLength(1)
})
