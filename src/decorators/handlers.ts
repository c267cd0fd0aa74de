import { Composer, type Context } from 'grammy'
import { SentinelError } from '../core/errors.js'
import { shown } from '../core/show.js'
import { guardFields } from '../middleware/position/fields.js'
import { type AnyHandler, checkedHandler, guardsOf } from '../middleware/position/guarded.js'
import { memberName } from '../middleware/position/place.js'
import { type Member, membersOf } from './registration.js'

/**
 * Makes a composer from the handlers of a class: every method and field with a registrar such as `@command('buy')`, in the order
 * in which they are written, base classes first. Pass an instance for its own members, or the class itself for its static
 * members.
 *
 * Methods are called on the instance. An overriding method replaces the one it overrides and needs its own decorators: it
 * inherits neither registrations nor guards.
 *
 * @throws SentinelError `handler.invalid` if there is no such member, or if one holds no function; `handler.undecorated` for an
 * override without decorators.
 *
 * @example
 * ```ts
 * import { Bot, type CommandContext, type Context } from 'grammy'
 * import { sentinel, throttle } from 'grammy-sentinel'
 * import { command, handlers } from 'grammy-sentinel/decorators'
 *
 * class Shop {
 *   @command('buy')
 *   @throttle('3/1m')
 *   async buy(ctx: CommandContext<Context>): Promise<void> {
 *     await ctx.reply(`Bought ${ctx.match}.`)
 *   }
 * }
 *
 * const bot = new Bot('123:token')
 * bot.use(sentinel(), handlers(new Shop()))
 * ```
 */
export function handlers<C extends Context = Context>(instance: object): Composer<C> {
  if ((typeof instance !== 'object' || instance === null) && typeof instance !== 'function') {
    throw new SentinelError('handler.invalid', `handlers: ${shown(instance)} is not an instance of a class.`)
  }
  if (typeof instance === 'object') guardFields(instance)
  const members = membersOf(instance)
  if (members.length === 0) {
    throw new SentinelError(
      'handler.invalid',
      `handlers: ${nameOf(instance)} has no handlers. Put a registrar such as @command('buy') on a method, and pass an instance; for static methods pass the class.`,
    )
  }
  const composer = new Composer<Context>()
  for (const member of members) {
    const handler = handlerOf(member, instance)
    member.registration.register(composer, (ctx, next) => handler.call(instance, ctx, next))
  }
  return composer as unknown as Composer<C>
}

function handlerOf({ key, registration, held }: Member, instance: object): AnyHandler {
  const owner = typeof instance === 'function' ? instance : instance.constructor
  const handler = checkedHandler(held(instance), `@${registration.label} on ${memberName(owner, key)}`)
  // A class without a name is named after what it handles.
  const place = guardsOf(handler)?.place
  if (owner.name === '') place?.settle(registration.label)
  else place?.settle()
  return handler
}

function nameOf(instance: object): string {
  return typeof instance === 'function'
    ? `the class ${instance.name}`
    : `an instance of ${instance.constructor?.name}`
}
