import type { Context, MiddlewareFn, MiddlewareObj } from 'grammy'
import type { Check, Decision, MaybePromise } from '../core/check.js'
import type { Ms } from '../core/duration.js'
import type { Facts } from '../core/facts.js'
import type { Activity } from '../core/kinds.js'
import type { Limit } from '../core/limit.js'
import type { Key } from '../core/subject.js'
import type { DenialReason } from '../core/verdict.js'
import type { SentinelControl } from './chain/control.js'
import type { Place } from './concurrency/places.js'
import type { ExemptActors } from './exempt/exemptions.js'
import type { PlanExemption } from './exempt/plan-exemption.js'
import type { Denial } from './refusing/denial.js'
import type { Services } from './services.js'

/** Finds the subject of a scope in an update; undefined skips the checks of that scope. */
export type SubjectOf<C extends Context> = (facts: Facts, ctx: C) => Key | undefined

/** A check, and what each update contributes to it. */
export interface Question<C extends Context> {
  readonly check: Check
  /** The activities that the check applies to. */
  readonly on: readonly Activity[]
  /** Applies the check only to updates for which this returns true. */
  readonly when?: ((facts: Facts, ctx: C) => boolean) | undefined
  /** What the check charges, by default 1. */
  readonly cost?: ((facts: Facts, ctx: C) => number) | number | undefined
  /** The token that a claim takes; undefined skips the check. */
  readonly token?: ((facts: Facts, ctx: C) => number | undefined) | undefined
  /** True if nearly every update has a token, so that the shared list of costs assumes one. */
  readonly usual?: boolean
  /** Returns a different limit for this update; undefined keeps the check's limit. */
  readonly limit?: ((facts: Facts, ctx: C) => Limit | undefined) | undefined
  /** Who is exempt from the check. */
  readonly exempt: ExemptActors
  /** Called after a refusal: resolves to true if the actor is exempt after all. The update is then asked once more. */
  readonly rescues?: (facts: Facts, ctx: C) => MaybePromise<boolean>
  /**
   * A shadow check for the guard's own use: its result is passed to `admit` and reported to nobody else. Its slot ends in a question
   * mark, by which traces recognize it.
   */
  readonly probe?: boolean
  /** Whether it is also asked about completed payments, if `on` lists them. Only for probes: nothing else may refuse a payment. */
  readonly paid?: boolean
  /** The name of the limit within the guard, for verdicts. */
  readonly name: string
  readonly reason: DenialReason
  /** How a refused update is answered. */
  readonly denial: Denial<C>
  /** Returns what is known about the reason, for listeners and `deny` functions; called only if one of them reads it. */
  readonly note?: ((facts: Facts, ctx: C) => string | undefined) | undefined
}

/** Collects what a guard will ask. */
export interface Wiring<C extends Context> {
  /** The services that the guards of a chain share: storage, clock, bots, events, background work. */
  readonly services: GuardServices
  /**
   * The handler that the guards protect, by a name that stays the same after `reconfigure()`; undefined for guards of the
   * sentinel itself.
   */
  readonly place: string | undefined
  /** Returns the index of a scope; creates it on first use and shares it by name. */
  scope(name: string, subjectOf: SubjectOf<C>): number
  /** Adds a check, to be evaluated in the order of these calls. Returns its index. */
  ask(question: Question<C>): number
  /** Whether the chain already asks something under this slot. */
  asks(slot: string): boolean
  /** Returns the name for a limit without one: after the handler it protects, otherwise `usual`. */
  nameFor(guard: string, usual: string): string
  /** Exempts some actors from all checks added from now on. */
  exempt(exemption: PlanExemption): void
}

/** Continues to the handlers; `begun` is called when they start. */
export type Onward = (begun?: () => void) => Promise<void>

/** What a guard does besides its checks. All members are optional. */
export interface Wired<C extends Context> {
  /** Called when the whole chain has been built. Side effects belong here, so that a chain whose construction fails has none. */
  begin?(): void
  /** Sees every update before anything is decided. Must not throw. */
  observe?(facts: Facts, ctx: C): MaybePromise<void>
  /** The activities that `observe` sees, by default all. */
  readonly observes?: readonly Activity[]
  /**
   * Has the last word on admitted updates. `probed` has the indexes of the probes whose mark was not found. `decision` is that on
   * the whole plan; undefined if nothing was asked, or the storage failed.
   */
  admit?(
    facts: Facts,
    ctx: C,
    probed: readonly number[],
    decision?: Decision,
  ): MaybePromise<Admission | undefined>
  /** How updates vetoed by `admit` are answered, by default with a notice. */
  readonly denial?: Denial<C>
  /** If true, a veto by `admit` is reported but the update passes. */
  readonly shadow?: boolean
  /**
   * Takes over an admitted update to run its handlers later; returns false to let the update continue now.
   *
   * @param seated Whether the update still has to take a place, which may take long; `next` then calls back when it has one.
   */
  divert?(facts: Facts, ctx: C, next: Onward, control: SentinelControl, seated?: boolean): boolean
  /** Whether `divert` may take over an update. Known earlier, before the `allowed` hooks run. */
  holds?(facts: Facts): boolean
  /**
   * Takes a place for an admitted update, as the last step before its handlers; the place is left when they have ended. Returns
   * an admission with a veto if no place is free, undefined if none is needed. With `shadow` no update waits. Must neither throw
   * nor reject.
   */
  seat?(facts: Facts, ctx: C, shadow: boolean): MaybePromise<Seat | undefined>
  /** True if `admit` decides by something other than the plan, so that guards behind it in a chain are asked after its answer. */
  readonly apart?: boolean
  /** Update kinds that must be requested from Telegram. */
  readonly needs?: readonly string[]
  /** Returns how many updates the guard holds back now. */
  waiting?(): number
  /** Returns how many updates the guard is handling detached from the request or polling loop that delivered them. */
  running?(): number
  /**
   * Has held updates handled now, and waits for that; undefined if there are none. Unlike after `drain`, the guard continues to
   * hold updates.
   */
  fire?(): Promise<unknown> | undefined
  /** Finishes everything that the guard holds back, for good. */
  drain?(): Promise<void>
}

/** The source of a veto that is not a check of the plan, for verdicts. The charges of the plan's limits are given back. */
export interface Vetoer {
  readonly guard: string
  readonly limit: string
  readonly retryAfterMs: Ms
  /** Whether a notice is due. */
  readonly notice: boolean
  /** The reason, for listeners. */
  readonly note?: string
}

/** The last word on an update: a `veto` stops it, an `identity` is added to `ctx.sentinel`. */
export interface Admission {
  readonly veto?: DenialReason | undefined
  /** The source of the veto, by default the resolver of `auth`. */
  readonly by?: Vetoer | undefined
  readonly note?: string | undefined
  readonly identity?: unknown
  /** Whether the charges of the same plan's limits are given back. */
  readonly refund?: boolean
}

/** A place for handlers, or a refusal. */
export type Seat = Place | Admission

/**
 * The definition of a guard, as `throttle()` and the other functions create it for `compose()` and `sentinel()` to combine. What
 * `wire` takes and returns is internal and may change in any version.
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
  /** The kind of guard, such as `throttle`. */
  readonly name: string
  /** Distinguishes guards of the same kind, such as `20/1m`; names the state of a guard that has no other name. */
  readonly label?: string
  wire(wiring: Wiring<C>): Wired<C> | undefined
}

/** The named policies of a sentinel. */
export interface PolicyNames {
  readonly names: readonly string[]
  /**
   * Returns the definitions of a policy, with a handler's overrides laid over them.
   *
   * @throws SentinelError `policy.unknown`.
   */
  definitionsOf(name: string, own: object | undefined): readonly GuardDefinition[]
}

/** The services that guards are wired with. Policies are not among the others because they consist of guards. */
export interface GuardServices extends Services {
  /** Policies by name; undefined without named policies. */
  readonly policies?: PolicyNames | undefined
}

/** Used while guards are wired only to check that they fit together: the policies are not known yet then. */
export const POLICIES_TO_COME: PolicyNames = { names: [], definitionsOf: () => [] }

/** Returns the same guard in shadow mode: it evaluates updates but never refuses. */
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

/** Returns a wiring in which some methods are replaced. */
export function wiringWith<C extends Context>(wiring: Wiring<C>, own: Partial<Wiring<C>>): Wiring<C> {
  return {
    services: wiring.services,
    place: wiring.place,
    scope: (name, subjectOf) => wiring.scope(name, subjectOf),
    asks: (slot) => wiring.asks(slot),
    nameFor: (guard, usual) => wiring.nameFor(guard, usual),
    exempt: (exemption) => wiring.exempt(exemption),
    ask: (question) => wiring.ask(question),
    ...own,
  }
}

/**
 * A guard. The same value works in every position:
 *
 * - middleware, in front of a bot, a composer or a handler: `bot.use(throttle('5/10s'))`,
 *   `bot.command('buy', throttle('5/10s'), buy)`
 * - around a handler: `throttle('5/10s')(buy)` is a function of the same name, arity and types
 * - a decorator of a method, or of a field that holds a function: standard decorators or `experimentalDecorators`
 * - a part of `compose()` and `sentinel()`, which combine several guards into one plan
 *
 * Guards around one handler form one plan, evaluated from the outermost to the innermost. They use the storage, clock, listeners
 * and exemptions of the sentinel that admitted the update; without a sentinel they keep their state in memory.
 *
 * @throws SentinelError `handler.invalid` if it is applied to something that is not a handler; `limit.duplicate` and
 * `plan.invalid` as {@link compose}.
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
  /** The definitions it consists of: one, or several that were combined. */
  readonly definitions: readonly GuardDefinition<C>[]
  // Decorators first: otherwise the compiler would choose the overload for handlers for a method decorator.
  /** Decorates a method. */
  <This, H extends (...args: never[]) => unknown>(
    method: H & Guardable<H, C>,
    context: ClassMethodDecoratorContext<This>,
  ): H
  /** Decorates a field that holds a handler. */
  <This, H extends (...args: never[]) => unknown>(
    value: undefined,
    context: ClassFieldDecoratorContext<This, H> & Guardable<H, C>,
  ): (this: This, held: H) => H
  /** Decorates a method, under `experimentalDecorators`. */
  <H extends (...args: never[]) => unknown>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<H> & Guardable<H, C>,
  ): void
  /** Decorates a field, under `experimentalDecorators`. */
  <Target extends object, Key extends string | symbol>(
    target: Target,
    key: Key,
    ...noHandler: HandlerAt<Target, Key, C>
  ): void
  /** Wraps a handler. The new function calls it if the update may pass, and otherwise returns `undefined`. */
  <This, X extends C, Rest extends unknown[], R>(
    handler: (this: This, ctx: X, ...rest: Rest) => R,
  ): (this: This, ctx: X, ...rest: Rest) => R
  /** Wraps a composer. */
  <X extends C>(composer: MiddlewareObj<X>): MiddlewareFn<X>
}

/**
 * What a guard requires of the function it is applied to: its first parameter is a compatible context, or it has no parameters.
 * Resolves to `unknown` for such a function, otherwise to an object type that no function has, which makes the compiler report an
 * error.
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
 * The further parameters of a decorator under `experimentalDecorators`, after target and key: none needed if the field holds a
 * handler, otherwise one that nobody can pass, which makes the compiler report an error. Private fields cannot be checked.
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
