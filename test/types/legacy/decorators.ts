import type { CommandContext, Context, Filter } from 'grammy'
import { command, on } from '../../../src/decorators/index.js'
import { requireRole, throttle } from '../../../src/index.js'

/* Compiled with `experimentalDecorators`, by tsconfig.legacy.json. */

const slow = throttle('5/10s')

export class Shop {
  @slow
  @command('buy')
  @requireRole('customer')
  async buy(ctx: CommandContext<Context>): Promise<number> {
    return ctx.match.length
  }

  @command('sell')
  @slow
  sell = async (ctx: CommandContext<Context>): Promise<string> => ctx.match

  @slow
  static about(_ctx: Context): void {}

  @slow
  none(): void {}

  @slow
  @on('message')
  private hidden(_ctx: Filter<Context, 'message'>): void {}

  // @ts-expect-error: the first parameter must be a context
  @slow
  first(text: string): number {
    return text.length
  }

  // @ts-expect-error: the field holds no handler
  @slow
  second = 'away'

  // @ts-expect-error: a text message has no photo
  @on('message:text')
  third(ctx: Filter<Context, 'message:photo'>): number {
    return ctx.msg.photo.length
  }

  // @ts-expect-error: the field holds a handler of photos
  @on('message:text')
  fourth = (ctx: Filter<Context, 'message:photo'>): number => ctx.msg.photo.length

  // @ts-expect-error: the first parameter must be a context
  @command('x')
  fifth = (text: string): number => text.length

  use(): unknown {
    return this.hidden
  }
}
