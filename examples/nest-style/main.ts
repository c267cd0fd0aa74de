// A module in the style of NestJS: a service, a class that handles updates, and the bot that they are wired to.
import { fileURLToPath } from 'node:url'
import { Bot, type BotConfig, type Context } from 'grammy'
import { Sentinel, type SentinelFlavor, sentinel } from 'grammy-sentinel'
import { handlers } from 'grammy-sentinel/decorators'
import { Container } from './container.js'
import { OrdersService, OrdersUpdate } from './orders.js'

type GuardedContext = Context & SentinelFlavor

export function ordersBot(
  token: string,
  options?: BotConfig<GuardedContext>,
): { readonly bot: Bot<GuardedContext>; readonly guard: Sentinel } {
  const bot = new Bot<GuardedContext>(token, options)
  const container = new Container().provide(Sentinel, sentinel({ roles: { staff: {} } }))
  container.make(OrdersService)
  const guard = container.make(Sentinel)
  guard.install(bot)
  bot.use(handlers(container.make(OrdersUpdate, OrdersService)))
  // Without it, grammY stops the bot at the first error of a handler, such as a call that Telegram refuses.
  bot.catch(({ error }) => console.error(error))
  return { bot, guard }
}

export async function main(token = process.env.BOT_TOKEN ?? ''): Promise<void> {
  const { bot, guard } = ordersBot(token)
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => bot.stop())
  await bot.start()
  await guard.close()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
