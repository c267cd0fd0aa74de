import type { Context, NextFunction } from 'grammy'

type Method = (...args: never[]) => unknown

/**
 * The properties of a context that grammY's filters narrow. Excludes methods, properties that flavours add, and `update`, whose
 * parts are properties of the context, too.
 */
type Refined = {
  [K in keyof Context]: Context[K] extends Method ? never : K
}[Exclude<keyof Context, 'api' | 'me' | 'update'>]

/** The data of a part of the update. Methods are left out: flavours add them at every depth, such as `ctx.msg.delete()`. */
type Data<T> = T extends Method
  ? T
  : T extends object
    ? {
        [K in keyof T as [Extract<T[K], Method>] extends [never] ? K : never]: T[K] extends object | undefined
          ? Data<T[K]>
          : T[K]
      }
    : T

/**
 * Whether a handler may be registered: the registrar guarantees every property of the update that the handler's context type
 * requires. Properties that flavours add to the context, and methods that they add to parts of the update, are not checked.
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
export type Fits<Given extends Context, X> = Given extends { [K in Extract<keyof X, Refined>]: Data<X[K]> }
  ? true
  : false

/** `unknown` if a function may be registered; otherwise a type that no function has, whose property name the compiler shows. */
type Checked<Given extends Context, H> = H extends (ctx: infer X, next: NextFunction) => unknown
  ? unknown extends X
    ? unknown
    : Fits<Given, X> extends true
      ? unknown
      : { readonly 'this handler takes a context other than the one it is registered for': never }
  : { readonly 'a handler takes a context and next': never }

type Held<Given extends Context, Target, Key> = Key extends keyof Target
  ? unknown extends Checked<Given, Target[Key]>
    ? [descriptor?: undefined]
    : [noHandler: never]
  : [descriptor?: undefined]

/**
 * A decorator that registers the method it decorates, or the field that holds a function. Works as a standard decorator and under
 * `experimentalDecorators`. It does not change the member, so registrars and guards can be stacked in any order; two registrars
 * on one handler register it for both. `handlers()` collects the registrations.
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
 *   async list(ctx: CommandContext<Context>): Promise<void> {
 *     await ctx.reply('Nobody.')
 *   }
 * }
 * ```
 */
export interface Registrar<Given extends Context> {
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
  /** On a method. The last one, because of these the compiler reports only why the last does not fit. */
  <This, H extends (...args: never[]) => unknown>(
    method: H & Checked<Given, H>,
    context: ClassMethodDecoratorContext<This>,
  ): void
}
