import { inspect } from 'node:util'
import { jest } from '@jest/globals'
import { Bot, type Context } from 'grammy'
import { createTelegram, type Person, type Telegram, type TelegramBot } from '../../src/telegram/index.js'

let telegram: Telegram
let account: TelegramBot
let alice: Person
let bot: Bot
let printed: ReturnType<typeof jest.spyOn>

beforeEach(() => {
  telegram = createTelegram({ patience: '5s' })
  account = telegram.createBot({ username: 'running_bot' })
  alice = telegram.createUser({ firstName: 'Alice' })
  bot = new Bot(account.token, account.config)
  // grammY prints the error that ends a bot.
  printed = jest.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterEach(() => printed.mockRestore())

test('updates reach a running bot, those of allowed_updates included', async () => {
  const seen: string[] = []
  bot.on('chat_member', (ctx) => {
    seen.push(ctx.chatMember.new_chat_member.status)
  })
  const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account] })
  const bob = telegram.createUser({ firstName: 'Bob' })
  await telegram.runs(bot, { allowed_updates: ['chat_member'] })
  await bob.in(plaza).joins()
  await telegram.settled()
  expect(seen).toEqual(['member'])
  await telegram.close()
  expect(bot.isRunning()).toBe(false)
})

test('polling options are passed on', async () => {
  const seen: (string | undefined)[] = []
  bot.on('message', (ctx) => {
    seen.push(ctx.message.text)
  })
  await alice.to(account).sends('old')
  await telegram.runs(bot, { drop_pending_updates: true })
  await alice.to(account).sends('fresh')
  await telegram.settled()
  expect(seen).toEqual(['fresh'])
  await telegram.close()
})

test('hears() rejects at once with the error that stopped the bot', async () => {
  bot.on('message', () => {
    throw new Error(`boom with ${account.token}`)
  })
  await telegram.runs(bot)
  const hearing = alice.hears('welcome')
  await alice.to(account).sends('hi')
  const error: Error = await hearing.then(
    () => new Error('heard it'),
    (thrown: Error) => thrown,
  )
  expect(error.message).toMatch(
    /^Alice did not hear "welcome" within \d+ ms, but heard nothing at all\n@running_bot has stopped: Error in middleware: boom with \d+:<redacted>$/,
  )
  expect(error.cause).toMatchObject({ error: { message: expect.stringContaining('boom') } })
  await expect(alice.hears('anything else')).rejects.toThrow('has stopped')
  await telegram.close()
})

/** The error with which a wait rejects when the bot has stopped. */
async function errorOfStopped(): Promise<Error> {
  await telegram.runs(bot)
  const hearing = alice.hears('welcome')
  await alice.to(account).sends('hi')
  return hearing.then(
    () => new Error('heard it'),
    (thrown: Error) => thrown,
  )
}

function boom(): never {
  throw new Error('boom')
}

test.each([
  ['of a handler', () => bot.on('message', boom)],
  [
    'that an error boundary throws again',
    () =>
      bot
        .errorBoundary((error) => {
          throw error
        })
        .on('message', boom),
  ],
  [
    'that bot.catch() gives as a cause',
    () => {
      bot.on('message', boom)
      bot.catch((cause) => {
        throw new Error('failed', { cause })
      })
    },
  ],
])('the error %s is printed without its context, which holds the token', async (_, throwing) => {
  throwing()
  const printout = inspect(await errorOfStopped(), { depth: 9 })
  expect(printout).toMatch(/boom/)
  expect(printout).not.toContain(account.token)
  await telegram.close()
})

test('code can read the context of the error of a bot that stopped', async () => {
  bot.on('message', boom)
  expect((await errorOfStopped()).cause).toMatchObject({ ctx: { message: { text: 'hi' } } })
  await telegram.close()
})

test('the error of a bot that stopped keeps its own way to read the context', async () => {
  class Wrapped extends Error {
    readonly #ctx: Context
    constructor(ctx: Context) {
      super('wrapped')
      this.#ctx = ctx
    }
    get ctx(): Context {
      return this.#ctx
    }
  }
  bot.on('message', boom)
  bot.catch(({ ctx }) => {
    throw new Wrapped(ctx)
  })
  expect((await errorOfStopped()).cause).toMatchObject({ ctx: { message: { text: 'hi' } } })
  await telegram.close()
})

test('a bot that stopped with a frozen error is reported, too', async () => {
  bot.on('message', boom)
  bot.catch((error) => {
    throw Object.freeze(error)
  })
  expect((await errorOfStopped()).message).toContain('@running_bot has stopped: Error in middleware: boom')
  await telegram.close()
})

test('close() rejects with the error of a bot that stopped while nobody waited', async () => {
  bot.on('message', () => {
    throw new Error('boom')
  })
  await telegram.runs(bot)
  await alice.to(account).sends('hi')
  while (bot.isRunning()) await new Promise(setImmediate)
  await expect(telegram.close()).rejects.toThrow('Error in middleware: boom')
  await telegram.close()
})

test('a bot can be stopped by hand and started again', async () => {
  bot.on('message', (ctx) => ctx.reply('here'))
  await telegram.runs(bot)
  await bot.stop()
  await alice.to(account).sends('hi')
  expect(account.pending).toBe(1)
  await telegram.runs(bot)
  await alice.hears('here')
  await telegram.close()
})

test('a bot with a token of another Telegram is refused, and a bot that cannot start rejects', async () => {
  await expect(telegram.runs(new Bot('1:other', { botInfo: account.info }))).rejects.toThrow(
    /a token of another Telegram/,
  )
  telegram.faults.next('deleteWebhook', { code: 401 })
  await expect(telegram.runs(bot)).rejects.toThrow(
    /@running_bot did not ask for updates .*\n@running_bot has stopped: .*401: Unauthorized/,
  )
  await telegram.close()
})

test('a bot without the config of its account is refused before its first call', async () => {
  for (const config of [undefined, {}, { client: { apiRoot: 'https://api.telegram.org' } }]) {
    const stray = new Bot(account.token, config)
    const start = jest.spyOn(stray, 'start')
    await expect(telegram.runs(stray)).rejects.toMatchObject({
      code: 'telegram.invalid',
      message: expect.stringContaining('new Bot(account.token, account.config)'),
    })
    expect(start).not.toHaveBeenCalled()
  }
  // With a custom fetch, any apiRoot may lead to the embedded Telegram.
  const apiRoot = 'https://api.telegram.org'
  await telegram.runs(new Bot(account.token, { client: { ...account.config.client, apiRoot } }))
  await telegram.close()
})
