// Several limits at once: messages are counted by number, files by size. Files that the bot cannot use cost nothing.
import { fileURLToPath } from 'node:url'
import { Bot, type BotConfig, type Context } from 'grammy'
import { keySubject, type Sentinel, type SentinelFlavor, sentinel } from 'grammy-sentinel'

type GuardedContext = Context & SentinelFlavor

/** A file costs its size in megabytes, but at least this much, since every file causes some work. */
const LEAST_MEGABYTES = 0.25

export function uploadsBot(
  token: string,
  options?: BotConfig<GuardedContext>,
): { readonly bot: Bot<GuardedContext>; readonly guard: Sentinel<GuardedContext> } {
  const bot = new Bot<GuardedContext>(token, options)
  const guard = sentinel<GuardedContext>({
    throttle: [
      { limit: { amount: 60, per: '1m', burst: 30 } },
      {
        name: 'megabytes',
        limit: '20/1h',
        on: ['message'],
        cost: (_, ctx) => megabytes(ctx),
        // Users who keep exceeding the limit are ignored for a while.
        penalty: { after: 5, within: '1m', bans: ['10m', '1h'] },
      },
    ],
    notices: { texts: { en: { limited: 'That is enough for now. Try again in {wait}.' } } },
  })
  guard.install(bot)

  const left = async (ctx: GuardedContext): Promise<string> => {
    const { actor } = ctx.sentinel.facts
    if (actor === undefined) return ''
    const [limit] = await guard.peek(keySubject(actor), 'megabytes')
    return `You have ${limit?.remaining.toFixed(2)} MB left.`
  }
  bot.on('message:document', async (ctx) => {
    if (ctx.msg.document.mime_type === 'application/pdf') {
      return ctx.reply(`Thank you. ${await left(ctx)}`)
    }
    // Takes back the charge for the file; the message itself still counts.
    await ctx.sentinel.refund('megabytes')
    return ctx.reply(`Only PDF, please. ${await left(ctx)}`)
  })
  bot.command('left', async (ctx) => ctx.reply(await left(ctx)))
  return { bot, guard }
}

/** Returns the cost of an update. 0 means that this limit does not apply, since it is for files only. */
function megabytes(ctx: Context): number {
  const document = ctx.msg?.document
  if (document === undefined) return 0
  return Math.max(LEAST_MEGABYTES, (document.file_size ?? 0) / 1_000_000)
}

export async function main(token = process.env.BOT_TOKEN ?? ''): Promise<void> {
  const { bot, guard } = uploadsBot(token)
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => bot.stop())
  await bot.start()
  await guard.close()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
