import type {
  CallbackQueryContext,
  CommandContext,
  Composer,
  Context,
  Filter,
  FilterQuery,
  HearsContext,
  Middleware,
} from 'grammy'
import { SentinelError } from '../core/errors.js'
import { describe } from '../core/facts.js'
import { hintAt } from '../core/nearest.js'
import { shown } from '../core/show.js'
import type { SentinelFlavor } from '../middleware/chain/control.js'
import { TRANSITION_EVENTS } from '../middleware/membership/transition-events.js'
import { type TransitionEvent, transitionsOf } from '../middleware/membership/transitions.js'
import type { Registrar } from './registrar.js'
import { register } from './registration.js'

/** Numbers registrars in source order: they are created top to bottom, but applied as decorators from the inside out. */
let order = 0

function registrar<Given extends Context>(
  label: string,
  on: (composer: Composer<Context>, handler: Middleware) => void,
): Registrar<Given> {
  const registration = { order: ++order, label, register: on }
  // A decorator of a field may return a function that maps the initial value; registrars leave the value unchanged.
  return ((first: unknown, second: unknown, third?: unknown): unknown =>
    register(registration, first, second, third)) as Registrar<Given>
}

type OneOrMore<T> = T | readonly T[]

function listOf<T extends string | RegExp>(word: string, given: OneOrMore<T>): T[] {
  const list = (Array.isArray(given) ? [...given] : [given]) as T[]
  const wrong = list.find(
    (each) => each === '' || !(typeof each === 'string' || (each as unknown) instanceof RegExp),
  )
  if (list.length > 0 && wrong === undefined) return list
  throw new SentinelError(
    'handler.invalid',
    `@${word}: ${list.length === 0 ? 'an empty list' : shown(wrong)} names nothing to handle.`,
  )
}

/**
 * Registers a method, or a field that holds a function, for one or several commands, as `bot.command()` does.
 *
 * @param name One or several commands, without the slash.
 * @throws SentinelError `handler.invalid` for an invalid command, or if the decorated member cannot handle updates.
 *
 * @example
 * ```ts
 * import type { CommandContext, Context } from 'grammy'
 * import { command } from 'grammy-sentinel/decorators'
 *
 * class Shop {
 *   @command(['buy', 'order'])
 *   async buy(ctx: CommandContext<Context>): Promise<void> {
 *     await ctx.reply(`Bought ${ctx.match}.`)
 *   }
 * }
 * ```
 */
export function command(name: OneOrMore<string>): Registrar<CommandContext<Context>> {
  const names = listOf('command', name)
  const wrong = names.find((each) => !/^\w{1,64}$/.test(each))
  if (wrong !== undefined) {
    throw new SentinelError(
      'handler.invalid',
      `@command: ${shown(wrong)} is not a command: letters, digits and underscores, without the slash.`,
    )
  }
  return registrar(`command:${names.join('|')}`, (composer, handler) => composer.command(names, handler))
}

/**
 * Registers a method, or a field that holds a function, for updates that match a filter query, as `bot.on()` does.
 *
 * @param query One or several of grammY's filter queries.
 * @throws SentinelError `handler.invalid` if the decorated member cannot handle updates. For an invalid query `handlers()` throws
 * grammY's own error.
 *
 * @example
 * ```ts
 * import type { Context, Filter } from 'grammy'
 * import { on } from 'grammy-sentinel/decorators'
 *
 * class Echo {
 *   @on('message:text')
 *   async echo(ctx: Filter<Context, 'message:text'>): Promise<void> {
 *     await ctx.reply(ctx.msg.text)
 *   }
 * }
 * ```
 */
export function on<Q extends FilterQuery>(query: Q | readonly Q[]): Registrar<Filter<Context, Q>> {
  const queries = listOf('on', query)
  return registrar(`on:${queries.join('|')}`, (composer, handler) =>
    composer.on(queries, handler as Middleware<Filter<Context, Q>>),
  )
}

/**
 * Registers a method, or a field that holds a function, for texts and captions, as `bot.hears()` does.
 *
 * @throws SentinelError `handler.invalid` if a trigger is neither a text nor a pattern, or if the decorated member cannot handle
 * updates.
 *
 * @example
 * ```ts
 * import type { Context, HearsContext } from 'grammy'
 * import { hears } from 'grammy-sentinel/decorators'
 *
 * class Parrot {
 *   @hears(/^say (.+)/)
 *   async say(ctx: HearsContext<Context>): Promise<void> {
 *     await ctx.reply(ctx.match[1] ?? '')
 *   }
 * }
 * ```
 */
export function hears(trigger: OneOrMore<string | RegExp>): Registrar<HearsContext<Context>> {
  const triggers = listOf('hears', trigger)
  return registrar(`hears:${triggers.join('|')}`, (composer, handler) =>
    composer.hears(triggers, handler as Middleware<HearsContext<Context>>),
  )
}

/**
 * Registers a method, or a field that holds a function, for taps on buttons, as `bot.callbackQuery()` does. The handler has to
 * answer the tap.
 *
 * @throws SentinelError `handler.invalid` if a trigger is neither a text nor a pattern, or if the decorated member cannot handle
 * updates.
 *
 * @example
 * ```ts
 * import type { CallbackQueryContext, Context } from 'grammy'
 * import { callbackQuery } from 'grammy-sentinel/decorators'
 *
 * class Cart {
 *   @callbackQuery(/^remove (\d+)$/)
 *   async remove(ctx: CallbackQueryContext<Context>): Promise<void> {
 *     await ctx.answerCallbackQuery(`Removed ${ctx.match[1]}.`)
 *   }
 * }
 * ```
 */
export function callbackQuery(trigger: OneOrMore<string | RegExp>): Registrar<CallbackQueryContext<Context>> {
  const triggers = listOf('callbackQuery', trigger)
  return registrar(`callbackQuery:${triggers.join('|')}`, (composer, handler) =>
    composer.callbackQuery(triggers, handler as Middleware<CallbackQueryContext<Context>>),
  )
}

/**
 * The kind of update that reports a membership event.
 *
 * @example
 * ```ts
 * import type { KindOfTransition } from 'grammy-sentinel/decorators'
 *
 * const kind: KindOfTransition<'botAdded'> = 'my_chat_member'
 * ```
 */
export type KindOfTransition<E extends TransitionEvent> = E extends 'requested'
  ? 'chat_join_request'
  : E extends `bot${string}`
    ? 'my_chat_member'
    : 'chat_member'

/**
 * Registers a method, or a field that holds a function, for membership events such as `joined`: the events of `guard.membership`.
 * Telegram sends these updates only on request; `guard.install(bot)` requests them. Unlike listeners of `guard.membership`,
 * handlers run after the sentinel, so they do not see updates that it stops.
 *
 * @throws SentinelError `handler.invalid` for an unknown event, or if the decorated member cannot handle updates.
 *
 * @example
 * ```ts
 * import type { Context, Filter } from 'grammy'
 * import { membership } from 'grammy-sentinel/decorators'
 *
 * class Doorman {
 *   @membership('joined')
 *   async welcome(ctx: Filter<Context, 'chat_member'>): Promise<void> {
 *     await ctx.reply(`Welcome, ${ctx.chatMember.new_chat_member.user.first_name}!`)
 *   }
 * }
 * ```
 */
export function membership<E extends TransitionEvent>(
  event: E | readonly E[],
): Registrar<Filter<Context, KindOfTransition<E>>> {
  const events = listOf('membership', event)
  for (const each of events) {
    if (TRANSITION_EVENTS.includes(each)) continue
    throw new SentinelError(
      'handler.invalid',
      `@membership: there is no event ${shown(each)}.${hintAt(each, TRANSITION_EVENTS)} Use one of ${TRANSITION_EVENTS.join(', ')}.`,
    )
  }
  const wanted = new Set<TransitionEvent>(events)
  return registrar(`membership:${events.join('|')}`, (composer, handler) =>
    composer.filter((ctx) => tells(ctx, wanted), handler),
  )
}

function tells(ctx: Context & Partial<SentinelFlavor>, wanted: ReadonlySet<TransitionEvent>): boolean {
  const facts = ctx.sentinel?.facts ?? describe(ctx.update)
  return transitionsOf(facts, ctx).some(({ event }) => wanted.has(event))
}
