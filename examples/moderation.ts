// A bot that moderates a group: it greets new members, and administrators block users by replying to a message of theirs with
// /block, optionally with a duration: /block 1h. The bot ignores blocked users, and bans those who join again; it does not remove
// members. docs/recipes.md shows how to mute those who flood a group.
import { fileURLToPath } from 'node:url'
import { Bot, type BotConfig, type Context } from 'grammy'
import { type Duration, parseDuration, type Sentinel, type SentinelFlavor, sentinel } from 'grammy-sentinel'

type GuardedContext = Context & SentinelFlavor

export function moderationBot(
  token: string,
  /** The only group whose administrators may block, since a block applies to the whole bot and anybody can create a group. */
  home: number,
  options?: BotConfig<GuardedContext>,
): { readonly bot: Bot<GuardedContext>; readonly guard: Sentinel<GuardedContext> } {
  const bot = new Bot<GuardedContext>(token, options)
  // Administrators are exempt from limits in their chat.
  const guard = sentinel<GuardedContext>({ throttle: '20/1m', exempt: { chatAdmins: true } })
  guard.install(bot)

  guard.membership.on('joined', async ({ ctx, chat, member }) => {
    if (await guard.isBlocked(member.id)) await ctx.api.banChatMember(chat.id, member.id)
    else await ctx.api.sendMessage(chat.id, `Welcome, ${member.first_name}!`)
  })

  const groups = bot.chatType(['group', 'supergroup']).filter((ctx) => ctx.chat.id === home)
  groups.command('block', async (ctx) => {
    if (!(await isAdministrator(ctx))) return
    const whom = ctx.sentinel.facts.repliedTo
    if (whom === undefined) return ctx.reply('Answer a message of theirs with /block, or /block 1h.')
    const span = spanOf(ctx.match)
    if (span === null) return ctx.reply('For how long? Such as /block 30m, or /block for good.')
    await guard.block(whom, { ...(span !== undefined && { for: span }), reason: 'asked by an administrator' })
    await ctx.reply('Blocked.')
  })
  groups.command('unblock', async (ctx) => {
    if (!(await isAdministrator(ctx))) return
    const whom = ctx.sentinel.facts.repliedTo
    if (whom === undefined) return ctx.reply('Answer a message of theirs with /unblock.')
    await ctx.reply((await guard.unblock(whom)) > 0 ? 'Unblocked.' : 'They were not blocked.')
  })
  groups.command('rules', (ctx) => ctx.reply('Be kind.'))
  // Without it, grammY stops the bot at the first error of a handler, such as a mark that the storage cannot write.
  bot.catch(({ error }) => console.error(error))
  return { bot, guard }
}

async function isAdministrator(ctx: GuardedContext): Promise<boolean> {
  const { actorKind, actorId } = ctx.sentinel.facts
  // Only administrators can write as the group itself.
  if (actorKind === 'anonymous') return true
  if (actorKind !== 'user' || actorId === undefined) return false
  const { status } = await ctx.getChatMember(actorId)
  return status === 'creator' || status === 'administrator'
}

/** Returns undefined for a permanent block, and null if the text is not a duration above zero. */
function spanOf(text: string): Duration | undefined | null {
  if (text.trim() === '') return undefined
  try {
    return parseDuration(text.trim() as Duration) || null
  } catch {
    return null
  }
}

export async function main(
  token = process.env.BOT_TOKEN ?? '',
  home = Number(process.env.GROUP_ID),
): Promise<void> {
  if (!Number.isSafeInteger(home) || home >= 0)
    throw new Error('GROUP_ID must be the id of the group, such as -1001234567890.')
  const { bot, guard } = moderationBot(token, home)
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => bot.stop())
  await bot.start()
  await guard.close()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
