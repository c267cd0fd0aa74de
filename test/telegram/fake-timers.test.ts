import { jest } from '@jest/globals'
import { Bot } from 'grammy'
import {
  createTelegram,
  type Person,
  type Telegram,
  type TelegramBot,
  telegramMatchers,
} from '../../src/telegram/index.js'

/* Tests of bots that replace the global timers. The embedded Telegram keeps waiting in real time. */

expect.extend(telegramMatchers)

let telegram: Telegram
let account: TelegramBot
let alice: Person

beforeEach(async () => {
  jest.useFakeTimers()
  telegram = createTelegram({ patience: '50ms' })
  account = telegram.createBot({ username: 'fake_bot' })
  alice = telegram.createUser({ firstName: 'Alice' })
  const bot = new Bot(account.token, account.config)
  bot.command('later', (ctx) => {
    setTimeout(() => void ctx.reply('An hour has passed.'), 3_600_000)
  })
  bot.on('message', (ctx) => ctx.reply('Hello.'))
  await telegram.runs(bot)
})

afterEach(async () => {
  jest.useRealTimers()
  await telegram.close()
})

test('hears() gives up and says what was heard instead', async () => {
  await alice.to(account).sends('hi')
  await alice.hears('Hello')
  await expect(alice.hears('Goodbye')).rejects.toThrow(/Goodbye.*within 50 ms.*Hello/s)
})

test('called() and toHear() give up, too', async () => {
  await expect(telegram.called('banChatMember')).rejects.toThrow('banChatMember')
  await expect(expect(alice).toHear('Goodbye')).rejects.toThrow('Goodbye')
})

test('the bot’s own timers follow the test', async () => {
  await alice.to(account).sends('/later')
  await telegram.settled()
  await jest.advanceTimersByTimeAsync(3_600_000)
  await alice.hears('An hour has passed')
})

test('bots run while queueMicrotask is faked, as by sinon and Vitest', async () => {
  // Node's fetch looks it up outside of the globals that Jest gives to a test.
  const node = Response.constructor('return globalThis')() as typeof globalThis
  const held = jest.spyOn(node, 'queueMicrotask').mockImplementation(() => undefined)
  try {
    await alice.to(account).sends('hi')
    await alice.hears('Hello')
  } finally {
    held.mockRestore()
  }
})
