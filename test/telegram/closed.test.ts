import { Api, Bot, GrammyError } from 'grammy'
import { createTelegram, startTelegram, type Telegram } from '../../src/telegram/index.js'

const CLOSED = /the embedded Telegram was closed; stop the bot before it/

function plaza() {
  const telegram = createTelegram({ patience: '1h' })
  const account = telegram.createBot({ username: 'late_bot' })
  const alice = telegram.createUser({ firstName: 'Alice' })
  return { telegram, account, alice, api: new Api(account.token, account.config.client) }
}

test('a call after close() is refused at once, and changes nothing', async () => {
  const { telegram, account, alice, api } = plaza()
  await alice.to(account).sends('/start')
  await telegram.close()
  const late = await api.getUpdates({ timeout: 50 }).catch((error: unknown) => error)
  expect(late).toBeInstanceOf(GrammyError)
  expect(late).toMatchObject({ error_code: 409, description: expect.stringMatching(CLOSED) })
  await expect(api.sendMessage(alice.id, 'late')).rejects.toThrow(CLOSED)
  expect(alice.heard).toEqual([])
})

test('no webhook receives updates after close()', async () => {
  const { telegram, account, alice, api } = plaza()
  const brought: string[] = []
  telegram.hosts('https://bot.example/hook', async (request) => {
    brought.push(await request.text())
    return new Response()
  })
  await alice.to(account).sends('hello')
  await telegram.close()
  await expect(api.setWebhook('https://bot.example/hook')).rejects.toThrow(CLOSED)
  // A webhook that had been set would receive its first update in the next turn.
  await new Promise(setImmediate)
  await new Promise(setImmediate)
  expect(brought).toEqual([])
})

test('hears() rejects when the Telegram is closed, but returns messages that have already arrived', async () => {
  const { telegram, account, alice, api } = plaza()
  await alice.to(account).sends('/start')
  await api.sendMessage(alice.id, 'Welcome')
  const before = alice.hears('nothing').catch((error: Error) => error.message)
  await telegram.close()
  expect(await before).toMatch(
    /did not hear "nothing" within \d{1,5} ms.*\nThe embedded Telegram was closed\.$/s,
  )
  await expect(alice.hears('nothing')).rejects.toThrow(/within 0 ms.*\nThe embedded Telegram was closed\.$/s)
  expect((await alice.hears('Welcome')).text).toBe('Welcome')
})

test.each([createTelegram, startTelegram])(
  'a running bot stops when its Telegram is closed (%p)',
  async (make) => {
    const telegram = await make()
    const account = telegram.createBot({ username: 'left_bot' })
    const bot = new Bot(account.token, account.config)
    const ended = bot.start().catch((error: Error) => error.message)
    while (telegram.calls('getUpdates').length === 0) await new Promise(setImmediate)
    await telegram.close()
    expect(await ended).toMatch(CLOSED)
    expect(bot.isRunning()).toBe(false)
  },
)

test('await using closes it at the end of the block, also if the block throws; closing it again does nothing', async () => {
  const account = { bot: undefined as Bot | undefined }
  const story = async (make: () => Promise<Telegram> | Telegram) => {
    await using telegram = await make()
    const { token, config } = telegram.createBot({ username: 'using_bot' })
    const bot = new Bot(token, config)
    account.bot = bot
    await telegram.runs(bot)
    expect(bot.isRunning()).toBe(true)
    throw new Error('red')
  }
  for (const make of [createTelegram, startTelegram]) {
    await expect(story(make)).rejects.toThrow('red')
    expect(account.bot?.isRunning()).toBe(false)
    const telegram = await make()
    await telegram.close()
    await telegram.close()
    await telegram[Symbol.asyncDispose]()
  }
})
