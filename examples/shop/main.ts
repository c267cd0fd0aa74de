// A shop whose handlers are methods of a class, each with its own guards.
import { fileURLToPath } from 'node:url'
import { Bot, type BotConfig, type Context } from 'grammy'
import { type Sentinel, type SentinelFlavor, sentinel } from 'grammy-sentinel'
import { handlers } from 'grammy-sentinel/decorators'
import { Shop } from './shop.js'

type GuardedContext = Context & SentinelFlavor

export function shopBot(
  token: string,
  options?: BotConfig<GuardedContext>,
): { readonly bot: Bot<GuardedContext>; readonly guard: Sentinel } {
  const bot = new Bot<GuardedContext>(token, options)
  const guard = sentinel({ throttle: { limit: { amount: 60, per: '1m', burst: 10 } } })
  guard.install(bot)
  bot.use(handlers(new Shop(guard)))
  // Without it, grammY stops the bot at the first error of a handler, such as a mark that the storage cannot write.
  bot.catch(({ error }) => console.error(error))
  return { bot, guard }
}

export async function main(token = process.env.BOT_TOKEN ?? ''): Promise<void> {
  const { bot, guard } = shopBot(token)
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => bot.stop())
  await bot.start()
  await guard.close()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
