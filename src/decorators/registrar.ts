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

/** What makes a wrong handler a compile error; its text is what the compiler shows. */
type Checked<Given extends Context, X> =
  Fits<Given, X> extends true
    ? unknown
    : { readonly 'this handler takes another context than it is registered for': never }

type Held<Given extends Context, Target, Key> = Key extends keyof Target
  ? Target[Key] extends (ctx: infer X extends Context, next: NextFunction) => unknown
    ? Fits<Given, X> extends true
      ? [descriptor?: undefined]
      : [noHandler: never]
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
  <This, X extends Context, R>(
    method: ((this: This, ctx: X, next: NextFunction) => R) & Checked<Given, X>,
    context: ClassMethodDecoratorContext<This>,
  ): void
  /** On a field that holds a handler. */
  <This, X extends Context, R>(
    value: undefined,
    context: ClassFieldDecoratorContext<This, (ctx: X, next: NextFunction) => R> & Checked<Given, X>,
  ): void
  /** On a method, under `experimentalDecorators`. */
  <X extends Context, R>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<(ctx: X, next: NextFunction) => R> & Checked<Given, X>,
  ): void
  /** On a field, under `experimentalDecorators`. */
  <Target extends object, Key extends string | symbol>(
    target: Target,
    key: Key,
    ...noHandler: Held<Given, Target, Key>
  ): void
}
