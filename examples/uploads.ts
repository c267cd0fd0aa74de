// Several limits at once: messages are counted by number, files by size. Files that the bot cannot use cost nothing.
import { fileURLToPath } from 'node:url'
import { Bot, type BotConfig, type Context } from 'grammy'
import type { Document } from 'grammy/types'
import { keySubject, policy, type Sentinel, type SentinelFlavor, sentinel } from 'grammy-sentinel'

type GuardedContext = Context & SentinelFlavor

const MEGABYTES_PER_HOUR = 20
/** A file costs its size in megabytes, but at least this much, since every file causes some work. */
const LEAST_MEGABYTES = 0.25

export function uploadsBot(
  token: string,
  options?: BotConfig<GuardedContext>,
): { readonly bot: Bot<GuardedContext>; readonly guard: Sentinel<GuardedContext> } {
  const bot = new Bot<GuardedContext>(token, options)
  const guard = sentinel<GuardedContext>({
    throttle: { limit: { amount: 60, per: '1m', burst: 30 } },
    // An album is one message to the limit above, and one call of the handlers below, which see all its files.
    debounce: { window: '500ms', on: ['tap'], albums: '500ms' },
    policies: {
      megabytes: {
        throttle: {
          limit: { amount: MEGABYTES_PER_HOUR, per: '1h' },
          cost: (_, ctx) => megabytes(ctx),
          // Users who keep exceeding the limit are ignored for a while.
          penalty: { after: 5, within: '1m', bans: ['10m', '1h'] },
        },
      },
    },
    notices: { texts: { en: { limited: 'That is enough for now. Try again in {wait}.' } } },
  })
  guard.install(bot)

  const left = async (ctx: GuardedContext): Promise<string> => {
    const { actor } = ctx.sentinel.facts
    if (actor === undefined) return ''
    const [limit] = await guard.peek(keySubject(actor), 'megabytes')
    // The limit counts nobody before it has seen its first file.
    return `You have ${(limit?.remaining ?? MEGABYTES_PER_HOUR).toFixed(2)} MB left.`
  }
  // The limit stands in front of the handler, behind the sentinel. There albums are complete, so each of their files is charged.
  bot.on('message:document', policy('megabytes'), async (ctx) => {
    if (documentsOf(ctx).every(({ mime_type }) => mime_type === 'application/pdf')) {
      return ctx.reply(`Thank you. ${await left(ctx)}`)
    }
    // Takes back the charge for the files; the message itself still counts.
    await ctx.sentinel.refund('megabytes')
    return ctx.reply(`Only PDF, please. ${await left(ctx)}`)
  })
  bot.command('left', async (ctx) => ctx.reply(await left(ctx)))
  // Without it, grammY stops the bot at the first error of a handler, such as a call that Telegram refuses.
  bot.catch(({ error }) => console.error(error))
  return { bot, guard }
}

/** Returns the file of a message, or all files of an album. */
function documentsOf(ctx: GuardedContext): Document[] {
  return (ctx.sentinel.burst ?? [ctx]).flatMap(({ msg }) => msg?.document ?? [])
}

/** Returns the cost of a file, or of all files of an album together. */
function megabytes(ctx: GuardedContext): number {
  const sizes = documentsOf(ctx).map(({ file_size = 0 }) => Math.max(LEAST_MEGABYTES, file_size / 1_000_000))
  return sizes.reduce((sum, size) => sum + size, 0)
}

export async function main(token = process.env.BOT_TOKEN ?? ''): Promise<void> {
  const { bot, guard } = uploadsBot(token)
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => bot.stop())
  await bot.start()
  await guard.close()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
