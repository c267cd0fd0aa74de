// The smallest guarded bot. The defaults protect it already: floods are slowed down, and repeated deliveries and double taps are
// handled only once.
import { fileURLToPath } from 'node:url'
import { Bot, type BotConfig, type Context } from 'grammy'
import { type Sentinel, type SentinelFlavor, sentinel } from 'grammy-sentinel'

type GuardedContext = Context & SentinelFlavor

export function helloBot(
  token: string,
  options?: BotConfig<GuardedContext>,
): { readonly bot: Bot<GuardedContext>; readonly guard: Sentinel<GuardedContext> } {
  const bot = new Bot<GuardedContext>(token, options)
  const guard = sentinel<GuardedContext>()
  guard.install(bot)

  bot.command('start', (ctx) => ctx.reply(`Hello! You have ${ctx.sentinel.remaining('user')} messages left.`))
  // Without it, grammY stops the bot at the first error of a handler, such as a call that Telegram refuses.
  bot.catch(({ error }) => console.error(error))
  return { bot, guard }
}

export async function main(token = process.env.BOT_TOKEN ?? ''): Promise<void> {
  const { bot, guard } = helloBot(token)
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => bot.stop())
  await bot.start()
  await guard.close()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
