import { Bot, type Context, type SessionFlavor } from 'grammy'
import { compose, Sentinel, type SentinelFlavor, sentinel, throttle } from '../../src/index.js'

type Flavoured = Context & SentinelFlavor & SessionFlavor<{ seen: number }>

const bot = new Bot<Flavoured>('123:token')
const plain = new Bot('123:token')

// A sentinel without a context type requires nothing, so it fits any bot.
const guard = sentinel()
guard.install(bot).install(plain)
bot.use(guard)
plain.use(guard)
bot.filter((ctx) => ctx.session.seen > 1).use(guard)
bot.use(compose(throttle('20/1m')), throttle('5/10s'))

// A sentinel whose functions use a flavour requires a bot with it.
const own = sentinel<Flavoured>()
own.install(bot)
bot.use(own)
// @ts-expect-error: the context has no session
own.install(plain)
// @ts-expect-error: the context has no session
plain.use(own)
// @ts-expect-error: a context is not a bot
guard.install({} as Flavoured)

// The context type reaches the options: the contexts passed to their functions have the flavours of the bot.
const telling = sentinel<Flavoured>({
  block: { deny: ({ ctx }) => ctx.reply(String(ctx.session.seen)) },
  auth: { deny: ({ ctx }) => ctx.reply(String(ctx.sentinel.facts.updateId)) },
  throttle: [
    '90/1h',
    {
      name: 'own',
      limit: '5/10s',
      cost: (_facts, ctx) => ctx.session.seen + 1,
      deny: ({ ctx }) => ctx.session.seen,
    },
  ],
  debounce: { window: '1s', deny: ({ ctx }) => ctx.session.seen },
})
telling.install(bot)
telling.reconfigure({ auth: { deny: ({ ctx }) => ctx.session.seen } })
new Sentinel<Flavoured>({ throttle: { deny: ({ ctx }) => ctx.session.seen } }).install(bot)
// @ts-expect-error: the context has no session
sentinel({ throttle: { deny: ({ ctx }) => ctx.session.seen } })
// @ts-expect-error: the context has no session
sentinel<Context>({ block: { deny: ({ ctx }) => ctx.session.seen } })

bot.command('block', async ({ sentinel: { facts } }) => {
  // @ts-expect-error: repliedTo may be undefined
  await guard.block(facts.repliedTo)
  if (facts.repliedTo !== undefined) await guard.block(facts.repliedTo)
  if (facts.subject !== undefined) await guard.grant(facts.subject, 'moderator')
})
