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

// @ts-expect-error: not a handler
slow('buy')
// @ts-expect-error: the first parameter must be a context
slow((text: string) => text.length)
// @ts-expect-error: undefined is not a handler
slow(undefined)
const nothing = (): void => undefined
// @ts-expect-error: only one handler is accepted
slow(nothing, nothing)
// @ts-expect-error: this context has no session
fair(fair((ctx: Context & { session: string }) => ctx.session))
// @ts-expect-error: a role is a text
requireRole(7)
// @ts-expect-error: the role is missing
requireRole()
// @ts-expect-error: unknown option
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

  // @ts-expect-error: the first parameter must be a context
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

  // @ts-expect-error: a text message has no photo, with hydrated contexts, too
  @on('message:text')
  hydrated(ctx: Filter<Hydrated, 'message:photo'>): number {
    return ctx.msg.photo.length
  }

  // @ts-expect-error: a text message has no photo
  @on('message:text')
  third(ctx: Filter<Context, 'message:photo'>): number {
    return ctx.msg.photo.length
  }

  // @ts-expect-error: a command is not a callback query
  @command('x')
  fourth(ctx: Filter<Context, 'callback_query:data'>): string {
    return ctx.callbackQuery.data
  }

  // @ts-expect-error: the first parameter must be a context
  @command('x')
  fifth(text: string): number {
    return text.length
  }

  // @ts-expect-error: the field holds no handler
  @slow
  sixth = 'away'

  // @ts-expect-error: the field holds a handler of photos
  @on('message:text')
  seventh = (ctx: Filter<Context, 'message:photo'>): number => ctx.msg.photo.length

  // @ts-expect-error: bot… events are my_chat_member updates
  @membership('botAdded')
  eighth(ctx: Filter<Context, 'chat_member'>): void {
    ctx.chatMember
  }

  // @ts-expect-error: getters cannot be guarded
  @slow
  get ninth(): (ctx: Context) => void {
    return () => undefined
  }
}
// @ts-expect-error: unknown filter query
on('message:txt')
// @ts-expect-error: unknown event
membership('arrived')
// @ts-expect-error: classes cannot be guarded
@slow
class Wrong {}

export type Kept = [
  Expect<Equal<Shop['buy'], (ctx: CommandContext<Flavoured>) => Promise<number>>>,
  Expect<Equal<Shop['held'], (ctx: CommandContext<Flavoured>) => Promise<string>>>,
  Expect<Equal<Shop['none'], () => void>>,
]
bot.use(handlers(new Shop()), handlers<Flavoured>(new Shop()), handlers(Shop))
// @ts-expect-error: not an instance or a class
handlers('Shop')
new Wrong()
