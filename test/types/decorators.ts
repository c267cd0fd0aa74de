import {
  Bot,
  type CommandContext,
  Composer,
  type Context,
  type Filter,
  type NextFunction,
  type SessionFlavor,
} from 'grammy'
import { callbackQuery, command, handlers, hears, membership, on } from '../../src/decorators/index.js'
import { exempt, requireRegistered, requireRole, type SentinelFlavor, throttle } from '../../src/index.js'
import { type Equal, type Expect, expectType } from './expect.js'

/** As in plugins such as hydrate: methods on parts of the update, at any depth. */
type Hydrated = Context & {
  readonly msg: { delete(): Promise<true> } | undefined
  readonly message: { delete(): Promise<true>; reply_to_message?: { delete(): Promise<true> } } | undefined
  readonly update: { readonly message?: { delete(): Promise<true> } }
}

type Flavoured = Context & SentinelFlavor & SessionFlavor<{ cart: string[] }>

const bot = new Bot<Flavoured>('123:token')
const slow = throttle('5/10s')
/** Its cost function reads the session, so it requires contexts with one. */
const fair = throttle<Flavoured>({ limit: '5/10s', cost: (_facts, ctx) => ctx.session.cart.length + 1 })

// Around handlers: types are kept, and inline handlers get the type of their context.
const buy = slow(
  async (ctx: CommandContext<Flavoured>, amount: number) => `${ctx.session.cart.length} ${amount}`,
)
expectType<(this: unknown, ctx: CommandContext<Flavoured>, amount: number) => Promise<string>>()(buy)
bot.command(
  'buy',
  slow((ctx) => ctx.reply(ctx.match)),
)
bot.on('message:photo', slow(requireRole('admin')((ctx) => ctx.reply(ctx.msg.photo[0]?.file_id ?? ''))))
bot.command('sell', slow, fair, requireRegistered(), exempt(), (ctx) =>
  ctx.reply(String(ctx.session.cart.length)),
)
bot.use(slow(new Composer<Flavoured>()))
slow(function (this: { stock: number }, ctx: Context) {
  return ctx.reply(String(this.stock))
})
slow(() => undefined)

// @ts-expect-error: no handler
slow('buy')
// @ts-expect-error: a handler takes a context first
slow((text: string) => text.length)
// @ts-expect-error: nothing at all
slow(undefined)
const nothing = (): void => undefined
// @ts-expect-error: one handler at a time
slow(nothing, nothing)
// @ts-expect-error: this context has no session
fair(fair((ctx: Context & { session: string }) => ctx.session))
// @ts-expect-error: a role is a text
requireRole(7)
// @ts-expect-error: which role?
requireRole()
// @ts-expect-error: no such option
requireRole('admin', { silent: true })

// On members of a class.
class Shop {
  private readonly stock = new Map<string, number>()

  @slow
  @fair
  @command('buy')
  async buy(ctx: CommandContext<Flavoured>): Promise<number> {
    return this.stock.get(ctx.match) ?? 0
  }

  @on('message:text')
  @slow
  text(ctx: Filter<Flavoured, 'message:text'>, next: NextFunction): Promise<void> {
    return ctx.msg.text === '' ? next() : Promise.resolve()
  }

  @slow
  @hears(/x/)
  none(): void {}

  @slow
  @command(['a', 'b'])
  held = async (ctx: CommandContext<Flavoured>): Promise<string> => ctx.match

  @membership(['joined', 'left'])
  came(ctx: Filter<Context, 'chat_member'>): void {
    ctx.chatMember.new_chat_member
  }

  @membership('requested')
  asked(ctx: Filter<Context, 'chat_join_request'>): void {
    ctx.chatJoinRequest.user_chat_id
  }

  @callbackQuery('pay')
  @command('pay')
  anything(ctx: Context): void {
    ctx.update.update_id
  }

  // @ts-expect-error: a handler takes a context first
  @slow
  first(text: string): number {
    return text.length
  }

  // @ts-expect-error: this context has no session
  @fair
  second(ctx: Context & { session: string }): string {
    return ctx.session
  }

  @command('clear')
  async clear(ctx: Hydrated): Promise<void> {
    await ctx.msg?.delete()
  }

  @on('message:text')
  async retract(ctx: Filter<Hydrated, 'message:text'>): Promise<void> {
    await ctx.message.delete()
  }

  // @ts-expect-error: a text is not a photo, whatever methods it has
  @on('message:text')
  hydrated(ctx: Filter<Hydrated, 'message:photo'>): number {
    return ctx.msg.photo.length
  }

  // @ts-expect-error: a text is not a photo
  @on('message:text')
  third(ctx: Filter<Context, 'message:photo'>): number {
    return ctx.msg.photo.length
  }

  // @ts-expect-error: a command is no tap
  @command('x')
  fourth(ctx: Filter<Context, 'callback_query:data'>): string {
    return ctx.callbackQuery.data
  }

  // @ts-expect-error: a handler takes a context first
  @command('x')
  fifth(text: string): number {
    return text.length
  }

  // @ts-expect-error: a field that holds no handler
  @slow
  sixth = 'away'

  // @ts-expect-error: a field that holds a handler of photos
  @on('message:text')
  seventh = (ctx: Filter<Context, 'message:photo'>): number => ctx.msg.photo.length

  // @ts-expect-error: bot… events come as my_chat_member
  @membership('botAdded')
  eighth(ctx: Filter<Context, 'chat_member'>): void {
    ctx.chatMember
  }

  // @ts-expect-error: guards stand on no getter
  @slow
  get ninth(): (ctx: Context) => void {
    return () => undefined
  }
}
// @ts-expect-error: there is no such query
on('message:txt')
// @ts-expect-error: there is no such event
membership('arrived')
// @ts-expect-error: on a class
@slow
class Wrong {}

export type Kept = [
  Expect<Equal<Shop['buy'], (ctx: CommandContext<Flavoured>) => Promise<number>>>,
  Expect<Equal<Shop['held'], (ctx: CommandContext<Flavoured>) => Promise<string>>>,
  Expect<Equal<Shop['none'], () => void>>,
]
bot.use(handlers(new Shop()), handlers<Flavoured>(new Shop()), handlers(Shop))
// @ts-expect-error: no instance
handlers('Shop')
new Wrong()
