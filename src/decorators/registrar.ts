import type { Context, NextFunction } from 'grammy'

/** What a filter of grammY refines; not what flavours add, nor methods, which speak of the whole context. */
type Refined = {
  [K in keyof Context]: Context[K] extends (...args: never[]) => unknown ? never : K
}[Exclude<keyof Context, 'api' | 'me'>]

/**
 * Whether a handler may be registered: whatever it takes for granted of the update, the registrar has made sure of. What flavours add
 * to a context is between the bot and its handlers.
 *
 * @example
 * ```ts
 * import type { Context, Filter } from 'grammy'
 * import type { Fits } from 'grammy-sentinel/decorators'
 *
 * type Text = Filter<Context, 'message:text'>
 * type Photo = Filter<Context, 'message:photo'>
 * const fits: [Fits<Text, Context>, Fits<Text, Text>, Fits<Text, Photo>] = [true, true, false]
 * ```
 */
export type Fits<Given extends Context, X> = Given extends Pick<X, Extract<keyof X, Refined>> ? true : false

/** Nothing where a function may be registered; what nobody has where it may not, with a name that the compiler shows. */
type Checked<Given extends Context, H> = H extends (ctx: infer X, next: NextFunction) => unknown
  ? unknown extends X
    ? unknown
    : Fits<Given, X> extends true
      ? unknown
      : { readonly 'this handler takes another context than it is registered for': never }
  : { readonly 'a handler takes a context and next': never }

type Held<Given extends Context, Target, Key> = Key extends keyof Target
  ? unknown extends Checked<Given, Target[Key]>
    ? [descriptor?: undefined]
    : [noHandler: never]
  : [descriptor?: undefined]

/**
 * A decorator that registers what it stands on: a method, or a field that holds a function, by the standard or as
 * `experimentalDecorators` has it. What it stands on stays as it is, so registrars and guards stack in any order; two registrars on
 * one handler register it for both. `handlers()` collects them.
 *
 * @example
 * ```ts
 * import type { CommandContext, Context } from 'grammy'
 * import { command, type Registrar } from 'grammy-sentinel/decorators'
 *
 * const staffOnly: Registrar<CommandContext<Context>> = command('staff')
 *
 * class Desk {
 *   @staffOnly
 *   list = async (ctx: CommandContext<Context>): Promise<void> => {
 *     await ctx.reply('Nobody.')
 *   }
 * }
 * ```
 */
export interface Registrar<Given extends Context> {
  /** On a method. */
  <This, H extends (...args: never[]) => unknown>(
    method: H & Checked<Given, H>,
    context: ClassMethodDecoratorContext<This>,
  ): void
  /** On a field that holds a handler. */
  <This, H extends (...args: never[]) => unknown>(
    value: undefined,
    context: ClassFieldDecoratorContext<This, H> & Checked<Given, H>,
  ): void
  /** On a method, under `experimentalDecorators`. */
  <H extends (...args: never[]) => unknown>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<H> & Checked<Given, H>,
  ): void
  /** On a field, under `experimentalDecorators`. */
  <Target extends object, Key extends string | symbol>(
    target: Target,
    key: Key,
    ...noHandler: Held<Given, Target, Key>
  ): void
}
