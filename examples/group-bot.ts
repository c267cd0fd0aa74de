// A bot for groups. Everybody may use /quote at a limited rate, helpers at a higher rate; moderators and administrators may use
// /announce. Administrators appoint a moderator by replying to one of their messages with /trust, and tune the limits of their
// group with /sentinel. Users who stay within the limit earn a higher one. /why shows which limits apply and where they come from.
import { fileURLToPath } from 'node:url'
import { Bot, type BotConfig, type Context } from 'grammy'
import { policy, type Sentinel, type SentinelFlavor, sentinel, subject } from 'grammy-sentinel'

type GuardedContext = Context & SentinelFlavor

const QUOTES = ['Simplicity is a great virtue.', 'Measure twice, cut once.', 'Less, but better.']

export function groupBot(
  token: string,
  options?: BotConfig<GuardedContext>,
): { readonly bot: Bot<GuardedContext>; readonly guard: Sentinel<GuardedContext> } {
  const bot = new Bot<GuardedContext>(token, options)
  const guard = sentinel<GuardedContext>({
    throttle: [
      { limit: '40/1m', adapt: { min: '10/1m', max: '80/1m' } },
      // Counted in each chat separately: what is sent in one group uses up nothing in another.
      { scope: 'member', limit: '20/1m' },
    ],
    roles: {
      helper: {},
      moderator: { extends: ['helper'] },
      // Administrators of a group are moderators there, and may appoint others.
      'chat:administrator': { extends: ['moderator'], allow: ['moderators.appoint'] },
    },
    policies: {
      calm: { throttle: { limit: '2/1m', roles: { helper: '4/1m' } } },
      announcing: { extends: 'calm', throttle: '1/1m', roles: ['moderator'] },
    },
    // Limits may be changed while the bot runs: by administrators for their group, by code for anybody.
    limits: true,
    settings: {
      limits: { member: { min: '2/1m', max: '60/1m', choices: ['2/1m', '20/1m', '60/1m'] } },
      notices: true,
    },
  })
  guard.install(bot)
  // Changes that affect the whole group are announced in it.
  guard.on('settings.changed', ({ chat, setting, after }) =>
    bot.api.sendMessage(chat, `From now on here: ${setting} ${after ?? 'as usual'}.`),
  )

  const groups = bot.chatType(['group', 'supergroup'])
  groups.command('quote', policy('calm'), (ctx) =>
    ctx.reply(QUOTES[ctx.msg.message_id % QUOTES.length] as string),
  )
  // The same policy with a lower limit for this handler. guard.policy() would throw here for an unknown name.
  groups.command('pun', guard.policy('calm', { throttle: '1/1m' }), (ctx) => ctx.reply('No pun intended.'))
  groups.command('announce', policy('announcing'), (ctx) => ctx.reply(`📣 ${ctx.match || 'Something!'}`))

  groups.command('trust', async (ctx) => {
    if (!(await ctx.sentinel.can('moderators.appoint'))) return
    const whom = ctx.sentinel.facts.repliedTo
    if (whom === undefined) return ctx.reply('Answer a message of theirs with /trust.')
    await guard.grant(whom, 'moderator', { chat: ctx.chat.id })
    await ctx.reply('They are a moderator here now.')
  })
  groups.command('why', async (ctx) => {
    const { actorId, actorKind } = ctx.sentinel.facts
    if (actorKind !== 'user' || actorId === undefined) return
    const { text } = await guard.explain(subject.member(actorId, ctx.chat.id), 'calm')
    await ctx.reply(text)
  })
  // Without it, grammY stops the bot at the first error of a handler, such as a mark that the storage cannot write.
  bot.catch(({ error }) => console.error(error))
  return { bot, guard }
}

export async function main(token = process.env.BOT_TOKEN ?? ''): Promise<void> {
  const { bot, guard } = groupBot(token)
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => bot.stop())
  await bot.start()
  await guard.close()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
