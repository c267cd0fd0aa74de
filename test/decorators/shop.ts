import type {
  CallbackQueryContext,
  CommandContext,
  Context,
  Filter,
  HearsContext,
  NextFunction,
} from 'grammy'
import { debounce, requireRole, throttle } from 'grammy-sentinel'
import { callbackQuery, command, handlers, hears, membership, on } from 'grammy-sentinel/decorators'

/*
 * One class in every position that both kinds of decorators know. `both-ways.test.ts` has it compiled by every compiler and in every
 * mode, and holds each result to the same tests.
 */

export const STAFF = Symbol('staff')

export class Counter {
  readonly log: string[] = []

  @command('count')
  @throttle('1/1m')
  async count(_ctx: CommandContext<Context>): Promise<void> {
    this.note('count')
  }

  note(what: string): void {
    this.log.push(`${this.constructor.name} ${what}`)
  }
}

export class Shop extends Counter {
  // Registrars may stand outside and inside of guards: the result is the same.
  @command('buy')
  @throttle('2/1m')
  @requireRole('customer')
  async buy(ctx: CommandContext<Context>): Promise<void> {
    this.note(`buy ${ctx.match}`)
  }

  @throttle('1/1m')
  @command(['order', 'preorder'])
  @throttle({ name: 'daily', limit: '10/1d' })
  order = async (ctx: CommandContext<Context>): Promise<void> => {
    this.note(`order ${ctx.match}`)
  }

  @hears(/^say (.+)/)
  @debounce('1s')
  say(ctx: HearsContext<Context>): void {
    this.note(`say ${ctx.match[1]}`)
  }

  @callbackQuery('pay')
  @command('pay')
  @throttle('1/1m')
  async pay(ctx: CallbackQueryContext<Context> | CommandContext<Context>): Promise<void> {
    this.note(`pay by ${ctx.callbackQuery === undefined ? 'command' : 'tap'}`)
  }

  @membership('joined')
  welcome(ctx: Filter<Context, 'chat_member'>): void {
    this.note(`welcome ${ctx.chatMember.new_chat_member.user.first_name}`)
  }

  @command('staff')
  @throttle('1/1m')
  async [STAFF](_ctx: CommandContext<Context>): Promise<void> {
    this.note('staff')
  }

  @on('message:text')
  async any(ctx: Filter<Context, 'message:text'>, next: NextFunction): Promise<void> {
    this.note(`any ${ctx.msg.text}`)
    await next()
  }

  static readonly told: string[] = []

  @command('about')
  @throttle('1/1m')
  static async about(_ctx: CommandContext<Context>): Promise<void> {
    Shop.told.push('about')
  }
}

const anyText = on('message:text')
const anything = on('message')

/** With registrars that are kept in constants, and used more than once. */
export class Corner {
  readonly log: string[] = []

  @anyText
  async first(_ctx: Context, next: NextFunction): Promise<void> {
    this.log.push('first')
    await next()
  }

  @command('help')
  async second(_ctx: CommandContext<Context>, next: NextFunction): Promise<void> {
    this.log.push('second')
    await next()
  }

  @anything
  async third(_ctx: Context, next: NextFunction): Promise<void> {
    this.log.push('third')
    await next()
  }

  @anyText
  async fourth(_ctx: Context, next: NextFunction): Promise<void> {
    this.log.push('fourth')
    await next()
  }

  @command('start')
  @command('help')
  async fifth(_ctx: CommandContext<Context>, next: NextFunction): Promise<void> {
    this.log.push('fifth')
    await next()
  }

  @on('message:text')
  sixth = async (_ctx: Context, next: NextFunction): Promise<void> => {
    this.log.push('sixth')
    await next()
  }

  @anything
  seventh = async (_ctx: Context, next: NextFunction): Promise<void> => {
    this.log.push('seventh')
    await next()
  }
}

export class CornerOfStation extends Corner {
  @anything
  async eighth(_ctx: Context): Promise<void> {
    this.log.push('eighth')
  }
}

export { handlers }
