import { Bot, type Context } from 'grammy'
import {
  type DeniedEvent,
  type MembershipGuard,
  membership,
  type SentinelEvents,
  type SentinelFlavor,
  sentinel,
} from '../../src/index.js'

// The context type of a sentinel is also that of its events, and of those of its membership guard.
type MyContext = Context & SentinelFlavor & { tenant: string }
const guard = sentinel<MyContext>()
guard.on('allowed', ({ ctx }) => ctx.tenant.length)
guard.on('denied', ({ ctx, verdict }) => verdict.reason + ctx.tenant)
guard.on('shadow', ({ ctx }) => ctx.tenant)
guard.on('unknown', ({ ctx }) => ctx.sentinel)
guard.on('overdue', ({ ctx }) => ctx.tenant)
guard.on('membership', ({ ctx, event }) => event + ctx.tenant)
guard.on('error', ({ error, during }) => console.error(during, error))
guard.membership.on('joined', ({ ctx }) => ctx.reply(ctx.tenant))
guard.hook('denied', ({ ctx }) => void ctx.tenant)
guard.hook('overdue', ({ ctx }) => void ctx.tenant)
const members: MembershipGuard<MyContext> = guard.membership
members.on(['left', 'kicked'], ({ ctx }) => ctx.tenant)
membership<MyContext>().on('joined', ({ ctx }) => ctx.tenant)

// Functions for any context fit every sentinel.
const told = ({ ctx, verdict }: DeniedEvent): void => console.log(ctx.update.update_id, verdict.guard)
guard.on('denied', told)
sentinel().on('denied', told)
const listener: (event: SentinelEvents['allowed']) => void = ({ facts }) => console.log(facts.updateId)
guard.on('allowed', listener)

// @ts-expect-error: the context has no tenant
sentinel().on('denied', ({ ctx }) => ctx.tenant)
// @ts-expect-error: the context has no tenant
sentinel().membership.on('joined', ({ ctx }) => ctx.tenant)

// Contexts of a burst have the plain type unless the flavour names another one.
const bot = new Bot<MyContext>('123:token')
bot.on('message', (ctx) => ctx.sentinel.burst?.map(({ msg }) => msg?.text))
// @ts-expect-error: contexts of the burst are plain
bot.on('message', (ctx) => ctx.sentinel.burst?.map(({ tenant }) => tenant))

type Gathering = Context & SentinelFlavor<Gathering> & { tenant: string }
const gathering = new Bot<Gathering>('123:token')
gathering.use(sentinel<Gathering>())
gathering.use(sentinel())
gathering.on('message', (ctx) => ctx.sentinel.burst?.map(({ tenant, sentinel: own }) => [tenant, own.facts]))

interface Named extends Context, SentinelFlavor<Named> {
  tenant: string
}
const named = new Bot<Named>('123:token')
sentinel<Named>().install(named)
named.on('message', (ctx) => ctx.sentinel.burst?.map(({ tenant }) => tenant))
