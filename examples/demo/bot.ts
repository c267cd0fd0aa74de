import { Bot, type Context, InlineKeyboard } from 'grammy'
import {
  keySubject,
  layer,
  type Sentinel,
  type SentinelFlavor,
  type SentinelOptions,
  sentinel,
} from 'grammy-sentinel'
import type { Ledger } from './ledger.js'
import { RaidWatch } from './raid.js'

export type GuardedContext = Context & SentinelFlavor

/** Messages that may come at once. The cast relies on this number. */
export const BURST = 8

/** Options of the guard; the block list, `once` and membership are on by default. */
export const OPTIONS: SentinelOptions = {
  throttle: { limit: { amount: 30, per: '1m', burst: BURST } },
  debounce: { window: '2s', on: ['tap'] },
  auth: { gate: ['vip'] },
}

export interface GuardedBot {
  readonly bot: Bot<GuardedContext>
  readonly guard: Sentinel<GuardedContext>
}

/** Changes the bot before the guard is installed. */
export type Preparation = (bot: Bot<GuardedContext>) => void

export interface BotOptions {
  /** Address of the Bot API, if it is not the real one. */
  readonly apiRoot?: string
  /** Options merged over those of the demo. */
  readonly options?: SentinelOptions
  readonly prepare?: Preparation
}

const HELP = [
  'This bot is behind a guard. Write fast, and it slows you down.',
  '/menu shows a button; tap it twice at once.',
  '/vip is for the registered, /register makes you one of them.',
].join('\n')

/** The bot of the demo, the same for the embedded and the real Telegram. */
export function guardedBot(
  token: string,
  ledger: Ledger,
  { apiRoot, options = {}, prepare }: BotOptions,
): GuardedBot {
  const bot = new Bot<GuardedContext>(token, apiRoot === undefined ? {} : { client: { apiRoot } })
  const guard = sentinel<GuardedContext>(layer(OPTIONS, options))
  ledger.watch(guard)
  prepare?.(bot)
  bot.use(ledger.before)
  guard.install(bot)
  bot.use(ledger.after)

  watchForRaids(bot, guard)
  bot.command(['start', 'help'], (ctx) => ctx.reply(HELP))
  bot.command('menu', (ctx) =>
    ctx.reply('What will it be?', { reply_markup: new InlineKeyboard().text('Coffee', 'coffee') }),
  )
  bot.callbackQuery('coffee', (ctx) => ctx.answerCallbackQuery({ text: 'One coffee, coming up.' }))
  bot.on('callback_query', (ctx) => ctx.answerCallbackQuery())
  bot.command('vip', (ctx) => ctx.reply('Welcome to the lounge.'))
  bot.command('register', async (ctx) => {
    const { actor } = ctx.sentinel.facts
    if (actor === undefined) return
    await guard.register(keySubject(actor))
    await ctx.reply('You are registered: /vip is open to you.')
  })
  bot
    .chatType('private')
    .on('message:text', (ctx) => ctx.reply(`Noted, all ${ctx.msg.text.length} characters.`))
  bot.catch(({ error }) => ledger.failed('a handler', error))
  return { bot, guard }
}

/** Blocks accounts that join in a raid and write soon after, and deletes what they wrote. */
function watchForRaids(bot: Bot<GuardedContext>, guard: Sentinel<GuardedContext>): void {
  const watch = new RaidWatch()
  guard.on('membership', ({ event, chat, member, at }) => {
    if (event === 'joined') watch.joined(chat.id, member.id, at)
  })
  bot.chatType(['group', 'supergroup']).on('message', async (ctx, next) => {
    const { actor, actorId, actorKind, activity } = ctx.sentinel.facts
    // Skips service messages, such as the one that announces the join itself.
    if (activity !== 'message' || actorKind !== 'user' || actor === undefined || actorId === undefined)
      return next()
    if (!watch.came(ctx.chat.id, actorId, ctx.msg.date * 1000)) return next()
    await guard.block(keySubject(actor), { for: '1h', reason: 'came with a raid' })
    await ctx.deleteMessage()
  })
}
