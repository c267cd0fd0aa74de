// A service, and a class that handles updates. Compiled with `experimentalDecorators`, as NestJS requires; without reflect-metadata.
import type { CommandContext, Context, HearsContext } from 'grammy'
import { rateLimit, requireRole } from 'grammy-sentinel'
import { command, hears } from 'grammy-sentinel/decorators'

export class OrdersService {
  private readonly orders: string[] = []

  place(what: string): number {
    return this.orders.push(what)
  }

  list(): string {
    return this.orders.join(', ') || 'none'
  }
}

export class OrdersUpdate {
  constructor(private readonly orders: OrdersService) {}

  @command('order')
  @rateLimit('2/1m')
  async order(ctx: CommandContext<Context>): Promise<void> {
    await ctx.reply(`Order ${this.orders.place(ctx.match)}: ${ctx.match}.`)
  }

  @hears('again')
  @rateLimit('1/1m')
  again = async (ctx: HearsContext<Context>): Promise<void> => {
    await ctx.reply(`Order ${this.orders.place('the same')}, the same.`)
  }

  @command('orders')
  @requireRole('staff')
  async all(ctx: CommandContext<Context>): Promise<void> {
    await ctx.reply(`Orders: ${this.orders.list()}.`)
  }
}
