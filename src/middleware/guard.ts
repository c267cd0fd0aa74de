import type { Context, MiddlewareFn, MiddlewareObj } from 'grammy'
import type { Check, MaybePromise } from '../core/check.js'
import type { Ms } from '../core/duration.js'
import type { Facts } from '../core/facts.js'
import type { Activity } from '../core/kinds.js'
import type { Limit } from '../core/limit.js'
import type { Key } from '../core/subject.js'
import type { DenialReason } from '../core/verdict.js'
import type { SentinelControl } from './chain/control.js'
import type { Place } from './concurrency/places.js'
import type { Excuse } from './exempt/excuses.js'
import type { Denial } from './refusing/denial.js'
import type { Services } from './services.js'

/** Finds the subject of a scope in an update; undefined leaves its checks out. */
export type SubjectOf<C extends Context> = (facts: Facts, ctx: C) => Key | undefined

/**
 * Who is let off a check: `nobody`; the `trusted` (owner, listed users); holders of exempt `roles`, too; or
 * `everybody` who is exempt, administrators of the chat included.
 */
export type Excused = 'nobody' | 'trusted' | 'roles' | 'everybody'

/** A check, and what each update asks of it. */
export interface Question<C extends Context> {
  readonly check: Check
  /** Updates it is for. */
  readonly on: readonly Activity[]
  /** Of those, only where this holds. */
  readonly when?: ((facts: Facts, ctx: C) => boolean) | undefined
  /** What it charges; 1 by default. */
  readonly cost?: ((facts: Facts, ctx: C) => number) | number | undefined
  /** What a claim takes; undefined leaves the check out. */
  readonly token?: ((facts: Facts, ctx: C) => number | undefined) | undefined
  /** Nearly every update has a token: spares them a list of costs of their own. */
  readonly usual?: boolean
  /** Another limit for this update. */
  readonly limit?: ((facts: Facts, ctx: C) => Limit | undefined) | undefined
  readonly excused: Excused
  /** Whether whoever it refused is let off it after all; then all is asked once more. */
  readonly rescues?: (facts: Facts, ctx: C) => MaybePromise<boolean>
  /** A shadow for the guard's own use: it learns of it in `admit`, nobody else does. */
  readonly probe?: boolean
  /** What to call it in verdicts: the name of the limit within the guard. */
  readonly name: string
  readonly reason: DenialReason
  /** How to answer whom it refuses. */
  readonly denial: Denial<C>
  /** What is known of why, for listeners and `deny` functions; asked only where somebody reads it. */
  readonly note?: ((facts: Facts, ctx: C) => string | undefined) | undefined
}

/** Where a guard writes down what it will ask. */
export interface Wiring<C extends Context> {
  /** What the guards of a chain share: storage, clock, bots, events, background work. */
  readonly services: Services
  /** What the guards stand in front of, by a name that is the same after `reconfigure()`; undefined for those of a sentinel itself. */
  readonly place: string | undefined
  /** The index of a scope; made on first mention, shared by name. */
  scope(name: string, subjectOf: SubjectOf<C>): number
  /** Adds a check. Its order is the order of asking. Its index. */
  ask(question: Question<C>): number
  /** Whether the chain already asks something under this slot. */
  asks(slot: string): boolean
  /** What a limit is called that was given no name: after the handler it is for, else as usual. */
  nameFor(guard: string, usual: string): string
  /** Lets some off what is asked from now on. */
  excuse(excuse: Excuse<C>): void
}

/** The way on to the handlers, which tells when it comes to them. */
export type Onward = (begun?: () => void) => Promise<void>

/** What a guard does beside its checks. All optional. */
export interface Wired<C extends Context> {
  /** Called once the chain stands: what the guard does beside asking must not outlive a chain that came to nothing. */
  begin?(): void
  /** Sees every update before anything is decided. Must not throw. */
  observe?(facts: Facts, ctx: C): MaybePromise<void>
  /** Which updates it sees: all, by default. */
  readonly observes?: readonly Activity[]
  /** Has the last word on what was admitted. `probed`: the probes that found no mark, by index. */
  admit?(facts: Facts, ctx: C, probed: readonly number[]): MaybePromise<Admission | undefined>
  /** How to answer those whom `admit` vetoes; by default with a notice. */
  readonly denial?: Denial<C>
  /** What `admit` vetoes is told, and passes. */
  readonly shadow?: boolean
  /**
   * Takes an admitted update over, to run its handlers later; false to let it go on.
   *
   * @param seated Whether it takes a place on its way, which may take long: then `next` tells when it has one.
   */
  divert?(facts: Facts, ctx: C, next: Onward, control: SentinelControl, seated?: boolean): boolean
  /**
   * Takes a place for an admitted update, last of all before its handlers; it is left when they have ended. An admission with a
   * veto where there is none, undefined where none is needed. In shadow nobody waits. Must neither throw nor reject.
   */
  seat?(facts: Facts, ctx: C, shadow: boolean): MaybePromise<Seat | undefined>
  /** Its last word comes after the plan's, from elsewhere: what stands behind it in a chain is asked when it is known. */
  readonly apart?: boolean
  /** Update kinds that Telegram must be asked for. */
  readonly needs?: readonly string[]
  /** Updates that it holds back now. */
  waiting?(): number
  /** Updates that it handles apart from whoever brought them. */
  running?(): number
  /** Has what it holds back handled now, and waits for that; undefined where there is nothing. It goes on as before, unlike after `drain`. */
  fire?(): Promise<unknown> | undefined
  /** Finishes what it holds back. */
  drain?(): Promise<void>
}

/** A limit that no plan knows, as verdicts tell of it. What the plan's limits charged for its refusal is given back. */
export interface Vetoer {
  readonly guard: string
  readonly limit: string
  readonly retryAfterMs: Ms
  /** Whether it is time to say so. */
  readonly notice: boolean
  /** Why, for listeners. */
  readonly note?: string
}

/** The last word: a reason vetoes, an identity enriches `ctx.sentinel`. */
export interface Admission {
  readonly veto?: DenialReason | undefined
  /** Who vetoes; by default the resolver of `auth`. */
  readonly by?: Vetoer | undefined
  readonly note?: string | undefined
  readonly identity?: unknown
  /** Gives back what the limits of the same plan have charged. */
  readonly refund?: boolean
}

/** A place at work, or a refusal. */
export type Seat = Place | Admission

/**
 * What makes a guard. Made by `throttle()` and the like, for `compose()` and `sentinel()` to fuse: what `wire` takes and
 * gives is theirs, and may change in any version.
 *
 * @example
 * ```ts
 * import { type GuardDefinition, throttle } from 'grammy-sentinel'
 *
 * const [definition]: readonly GuardDefinition[] = throttle('5/10s').definitions
 * console.log(definition?.name) // 'throttle'
 * ```
 */
export interface GuardDefinition<C extends Context = Context> {
  /** Which guard, such as `throttle`. */
  readonly name: string
  /** What tells it from others of its name, such as `20/1m`: names the state of a guard that nothing else names. */
  readonly label?: string
  wire(wiring: Wiring<C>): Wired<C> | undefined
}

/** The same guard, judging and refusing nothing. */
export function inShadow<C extends Context>(definition: GuardDefinition<C>): GuardDefinition<C> {
  return {
    name: definition.name,
    wire(wiring) {
      const wired = definition.wire(
        wiringWith(wiring, {
          ask: (question) => wiring.ask({ ...question, check: { ...question.check, shadow: true } }),
        }),
      )
      return wired === undefined ? undefined : { ...wired, shadow: true }
    },
  }
}

/** A wiring that does some things in its own way. */
export function wiringWith<C extends Context>(wiring: Wiring<C>, own: Partial<Wiring<C>>): Wiring<C> {
  return {
    services: wiring.services,
    place: wiring.place,
    scope: (name, subjectOf) => wiring.scope(name, subjectOf),
    asks: (slot) => wiring.asks(slot),
    nameFor: (guard, usual) => wiring.nameFor(guard, usual),
    excuse: (excuse) => wiring.excuse(excuse),
    ask: (question) => wiring.ask(question),
    ...own,
  }
}

/**
 * A guard: one word in every position.
 *
 * - middleware, in front of a bot, a composer or a handler: `bot.use(throttle('5/10s'))`, `bot.command('buy', throttle('5/10s'), buy)`
 * - around a handler: `throttle('5/10s')(buy)` is a function of the same name, arity and types
 * - a decorator of a method, or of a field that holds a function: by the standard, or as `experimentalDecorators` has it
 * - a part of `compose()` and `sentinel()`, which fuse several into one plan
 *
 * Guards around one handler are one plan, asked from the outside in. They use the storage, clock, listeners and exemptions of
 * the sentinel that let the update in; where there is none, memory of their own.
 *
 * @throws SentinelError `handler.invalid` where it is put around or on what is no handler; `limit.duplicate` and `plan.invalid` as
 * {@link compose}.
 *
 * @example
 * ```ts
 * import { Bot, type Context } from 'grammy'
 * import { type Guard, throttle } from 'grammy-sentinel'
 *
 * const bot = new Bot('123:token')
 * const slow: Guard = throttle('5/10s')
 * bot.use(slow)
 * bot.command('buy', throttle('3/1m')((ctx: Context) => ctx.reply('Bought.')))
 *
 * class Shop {
 *   @throttle('3/1m')
 *   async buy(ctx: Context): Promise<void> {
 *     await ctx.reply('Bought.')
 *   }
 * }
 * const shop = new Shop()
 * bot.command('order', (ctx) => shop.buy(ctx))
 * ```
 */
export interface Guard<C extends Context = Context> extends MiddlewareFn<C> {
  /** What it is made of: one definition, or several that were fused. */
  readonly definitions: readonly GuardDefinition<C>[]
  // Decorators first: the compiler would take one that asks for a method alone, too.
  /** On a method. */
  <This, H extends (...args: never[]) => unknown>(
    method: H & Guardable<H, C>,
    context: ClassMethodDecoratorContext<This>,
  ): H
  /** On a field that holds a handler. */
  <This, H extends (...args: never[]) => unknown>(
    value: undefined,
    context: ClassFieldDecoratorContext<This, H> & Guardable<H, C>,
  ): (this: This, held: H) => H
  /** On a method, under `experimentalDecorators`. */
  <H extends (...args: never[]) => unknown>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<H> & Guardable<H, C>,
  ): void
  /** On a field, under `experimentalDecorators`. */
  <Target extends object, Key extends string | symbol>(
    target: Target,
    key: Key,
    ...noHandler: HandlerAt<Target, Key, C>
  ): void
  /** Around a handler: the same function, called if the update may pass; else it gives `undefined`. */
  <This, X extends C, Rest extends unknown[], R>(
    handler: (this: This, ctx: X, ...rest: Rest) => R,
  ): (this: This, ctx: X, ...rest: Rest) => R
  /** Around a composer. */
  <X extends C>(composer: MiddlewareObj<X>): MiddlewareFn<X>
}

/**
 * What a guard asks of the function that it stands on: its first parameter is a context that fits, or it takes none. Nothing where that
 * is so; what nobody has where it is not.
 *
 * @example
 * ```ts
 * import type { Context } from 'grammy'
 * import type { Guardable } from 'grammy-sentinel'
 *
 * const fits: Guardable<(ctx: Context) => void, Context> = 'whatever'
 * const asks = {} as Guardable<(text: string) => void, Context>
 * const never: never = asks['a handler takes a context first']
 * ```
 */
export type Guardable<H, C extends Context> = H extends (ctx: infer X, ...rest: never[]) => unknown
  ? unknown extends X
    ? unknown
    : [X] extends [C]
      ? unknown
      : [C] extends [X]
        ? unknown
        : { readonly 'a handler takes a context first': never }
  : { readonly 'a handler takes a context first': never }

/**
 * What a decorator under `experimentalDecorators` takes beside target and key: nothing where the field holds a handler; what
 * nobody can give where it does not. A private field cannot be looked at.
 *
 * @example
 * ```ts
 * import type { Context } from 'grammy'
 * import type { HandlerAt } from 'grammy-sentinel'
 *
 * interface Shop {
 *   buy(ctx: Context): Promise<void>
 *   open: boolean
 * }
 * const fits: HandlerAt<Shop, 'buy', Context> = []
 * const asks: HandlerAt<Shop, 'open', Context>[0] = 'this field holds no handler' as never
 * ```
 */
export type HandlerAt<Target, Key, C extends Context> = Key extends keyof Target
  ? unknown extends Guardable<Target[Key], C>
    ? [descriptor?: undefined]
    : [noHandler: never]
  : [descriptor?: undefined]
