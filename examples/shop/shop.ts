// The handlers of the shop. Each limit stands at the handler it belongs to, and is counted by the sentinel in front of the bot.
import type { CallbackQueryContext, CommandContext, Filter, Context as GrammyContext } from 'grammy'
import { InlineKeyboard } from 'grammy'
import {
  debounce,
  exempt,
  requireRegistered,
  requireRole,
  type Sentinel,
  type SentinelFlavor,
  throttle,
} from 'grammy-sentinel'
import { callbackQuery, command, membership } from 'grammy-sentinel/decorators'

type Context = GrammyContext & SentinelFlavor

export class Shop {
  private readonly carts = new Map<number, string[]>()

  constructor(private readonly guard: Sentinel) {}

  // Looking around does not count against any limit.
  @command(['start', 'help'])
  @exempt()
  async help(ctx: CommandContext<Context>): Promise<void> {
    await ctx.reply('/join, then /buy something. Support may /refund.')
  }

  @command('join')
  @throttle('3/1h')
  async join(ctx: CommandContext<Context>): Promise<void> {
    // Not ctx.from, which is a stand-in for channels and anonymous administrators.
    const { subject } = ctx.sentinel.facts
    if (subject !== undefined) await this.guard.register(subject)
    await ctx.reply('You are a customer now.')
  }

  @command('buy')
  @requireRegistered()
  @throttle('3/1m')
  async buy(ctx: CommandContext<Context>): Promise<void> {
    this.cartOf(ctx).push(ctx.match)
    await ctx.reply(`${ctx.match}: in your cart.`, {
      reply_markup: new InlineKeyboard().text('Pay', 'pay'),
    })
  }

  // Two taps within two seconds count as one. Ten payments an hour are allowed.
  @callbackQuery('pay')
  @debounce('2s')
  @throttle({ name: 'payments', limit: '10/1h', penalty: { after: 3, bans: ['1h'] } })
  pay = async (ctx: CallbackQueryContext<Context>): Promise<void> => {
    const cart = this.cartOf(ctx).splice(0)
    await ctx.answerCallbackQuery(cart.length === 0 ? 'Your cart is empty.' : 'Thank you!')
    if (cart.length > 0) await ctx.reply(`Paid: ${cart.join(', ')}.`)
  }

  @command('refund')
  @requireRole('support')
  async refund(ctx: CommandContext<Context>): Promise<void> {
    await ctx.reply(`Refunded ${ctx.match}.`)
  }

  @membership('botBlocked')
  async leaves(ctx: Filter<Context, 'my_chat_member'>): Promise<void> {
    this.carts.delete(ctx.myChatMember.from.id)
  }

  private cartOf(ctx: Context): string[] {
    const id = ctx.sentinel.facts.actorId ?? 0
    const cart = this.carts.get(id) ?? []
    this.carts.set(id, cart)
    return cart
  }
}
