import { Bot } from 'grammy'
import { sentinel } from '../../dist/index.js'
import { createTelegram } from '../../dist/telegram/index.js'

/** A guarded bot on a Telegram of its own, whose clock stands still; Alice has just been told to slow down. */
export async function flooded() {
  const telegram = createTelegram({ clock: 'virtual' })
  const account = telegram.createBot({ username: 'runner_bot' })
  const alice = telegram.createUser({ firstName: 'Alice' })
  const bot = new Bot(account.token, account.config)
  bot.use(sentinel({ throttle: '1/1m', clock: () => telegram.clock.now() }))
  bot.on('message', (ctx) => ctx.reply('Hello'))
  await telegram.runs(bot)
  for (const text of ['hi', 'hi again']) await alice.to(account).sends(text)
  await alice.hears(/Slow down/)
  return { telegram, alice }
}
