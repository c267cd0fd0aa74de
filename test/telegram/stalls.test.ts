import { Bot } from 'grammy'
import { createTelegram } from '../../src/telegram/index.js'

test('the time that the machine stalls is not taken for the silence of a bot', async () => {
  const telegram = createTelegram({ patience: '300ms' })
  const account = telegram.createBot({ username: 'slow_bot' })
  const bot = new Bot(account.token, account.config)
  let asked: () => void = () => undefined
  const reached = new Promise<void>((done) => {
    asked = done
  })
  bot.on('message', async (ctx) => {
    asked()
    // Timers that are due fire before this.
    for (let turn = 0; turn < 5; turn++) await new Promise((done) => setImmediate(done))
    await ctx.reply('pong')
  })
  const running = bot.start()
  try {
    const alice = telegram.createUser({ firstName: 'Alice' })
    await alice.to(account).sends('ping')
    await reached
    const heard = alice.hears('pong')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500)
    expect((await heard).text).toBe('pong')
  } finally {
    await bot.stop()
    await running
    await telegram.close()
  }
})
