import type { Context, NextFunction } from 'grammy'
import { type Decision, isPromise, type MaybePromise } from '../../core/check.js'
import type { Facts } from '../../core/facts.js'
import type { Denied, Verdict } from '../../core/verdict.js'

/**
 * The state of a limit that was asked about an update: with memory as it is now, with other storages as it was when the update was
 * admitted.
 *
 * @example
 * ```ts
 * import type { LimitView, SentinelFlavor } from 'grammy-sentinel'
 *
 * const line = ({ guard, name, remaining }: LimitView) => `${guard}.${name}: ${Math.floor(remaining)} left`
 * const report = ({ sentinel }: SentinelFlavor) => sentinel.limits.map(line).join(', ')
 * ```
 */
export interface LimitView {
  readonly guard: string
  /** The limit's name within the guard, such as `user`. */
  readonly name: string
  /** What is left, in units of cost. Often a fraction, since a bucket refills continuously: show people `Math.floor` of it. */
  readonly remaining: number
}

/**
 * Options of {@link SentinelControl.deny}.
 *
 * @example
 * ```ts
 * import type { DenyOptions, SentinelFlavor } from 'grammy-sentinel'
 *
 * const quietly: DenyOptions = { note: 'not an owner', notice: false, refund: true }
 * const stop = ({ sentinel }: SentinelFlavor) => sentinel.deny(quietly)
 * ```
 */
export interface DenyOptions {
  /** The reason, for listeners and logs; not shown to the user. */
  readonly note?: string | undefined
  /** Whether to notify the user, in their language. @default true */
  readonly notice?: boolean | undefined
  /** Whether to give back what this update was charged. @default false */
  readonly refund?: boolean | undefined
}

/** The chain of a sentinel, as far as controls know it: chains make controls, so their full type is not known here. */
interface RootChain {
  readonly name: string
  readonly services: { readonly storage: object }
}

/** What a chain knows of updates that failed, as far as controls use it. */
interface FailedUpdates {
  /** Undefined if no attempt has failed in this process; true if all attempts so far have. */
  failureOf(ctx: Context): boolean | undefined
}

/** What a chain with `once` knows of attempts to handle an update. */
export interface Attempts {
  readonly redeliveries: FailedUpdates
  readonly plan: {
    /** Whether any claim has a lease that may end while handlers run. */
    readonly leased: boolean
  }
}

/** What the chain does on behalf of a control. */
export interface ControlHost {
  /** Identifies the sentinel: each has a tally of its own. */
  readonly tally?: object
  /** The chain of the sentinel itself, also for guards in front of a handler behind it. */
  readonly root?: RootChain | undefined
  limitsOf(decision: Decision): readonly LimitView[]
  /** Returns what hooks have added for the update of a context. */
  broughtFor?(ctx: Context): Readonly<Record<string, unknown>> | undefined
  /** Refunds one limit or all; resolves to false if the chain has no limit of that name. */
  refund(decision: Decision, limit: string | undefined): MaybePromise<boolean>
  /** Whether a limit has this name: of the sentinel, of a handler that has received an update, or of a policy. */
  hasLimit?(limit: string): boolean
  /** Returns the limit names of the sentinel, and of handlers that have received updates. */
  limitNames?(): readonly string[]
  /** Warns that no limit has this name. */
  unknownLimit?(word: 'remaining' | 'refund', limit: string, known: readonly string[]): void
  denyAdmitted(control: SentinelControl, options: DenyOptions): MaybePromise<void>
  /** Returns the decision by which an earlier attempt, which failed in this process, was charged. */
  chargeOf?(ctx: Context): Decision | undefined
  /** Undefined if the chain has no `once`. */
  readonly attempts?: Attempts | undefined
  /** Notes that an update which failed was charged, and may be redelivered. Never rejects. */
  noteCharge?(decision: Decision, ctx: Context): MaybePromise<void>
  /** Runs the handlers of a further branch for an update that was admitted by this decision. */
  handle?(decision: Decision | undefined, ctx: Context, next: NextFunction): MaybePromise<void>
  can(control: SentinelControl, permission: string): MaybePromise<boolean>
  hasRole(control: SentinelControl, role: string): MaybePromise<boolean>
}

const NOTHING: Readonly<Record<string, unknown>> = Object.freeze(Object.create(null))

/** Controls of updates that were denied after they had been counted as allowed. */
const denied = new WeakSet<SentinelControl>()

/** These read private fields of a control, for the functions below. Only code inside the class can define them. */
let hostOf: (control: SentinelControl) => ControlHost
let decisionOf: (control: SentinelControl) => Decision | undefined

/**
 * The object that handlers find as `ctx.sentinel`: the facts of the update, what is left of each limit, and ways to deny or
 * refund.
 *
 * @example
 * ```ts
 * import { Bot, type Context } from 'grammy'
 * import { sentinel, type SentinelFlavor } from 'grammy-sentinel'
 *
 * const bot = new Bot<Context & SentinelFlavor>('123:token')
 * bot.use(sentinel())
 * bot.command('roll', async (ctx) => {
 *   const left = ctx.sentinel.remaining('user') // undefined for exempt actors, such as the owner
 *   await ctx.reply(`You have ${left ?? 'plenty'} left.`)
 *   if (Math.random() < 0.1) await ctx.sentinel.refund() // this one is on the house
 * })
 * ```
 */
export class SentinelControl<C extends Context = Context> {
  static {
    hostOf = (control) => control.host
    decisionOf = (control) => control.decision
  }

  /**
   * The messages that a trailing debounce or an album gathered, oldest first; this context's own is the last. `refund()` and
   * `deny()` concern that one only; call them for each to refund or deny the whole burst.
   */
  burst: readonly C[] | undefined
  /** The `value` of the answer of `auth`'s resolver, if there is one. */
  identity: unknown
  /** Whether an earlier attempt to handle this update failed; for a part of an album, an attempt of this process. */
  readonly isRepeated: boolean
  private decided: Verdict

  constructor(
    readonly facts: Facts,
    readonly ctx: Context,
    verdict: Verdict,
    private readonly decision: Decision | undefined,
    private readonly host: ControlHost,
    /** The control of a sentinel further up in the middleware, if there is one. */
    readonly outer: SentinelControl<C> | undefined,
  ) {
    this.decided = verdict
    // The burst and the identity of an outer sentinel apply to all guards behind it.
    this.burst = outer?.burst
    this.identity = outer?.identity
    this.isRepeated =
      outer?.isRepeated === true ||
      // Later parts of an album are waived, too, although they are no repetitions.
      (decision?.waived === true && facts.album === undefined) ||
      // This process knows of its own failed attempts. Nothing is waived in shadow mode, and while the storage is down.
      host.attempts?.redeliveries.failureOf(ctx) !== undefined
  }

  /** The verdict on the update; {@link deny} changes it. */
  get verdict(): Verdict {
    return this.decided
  }

  /** Every limit that was asked about this update; see {@link LimitView}. */
  get limits(): readonly LimitView[] {
    const own = this.decision === undefined ? [] : this.host.limitsOf(this.decision)
    return this.outer === undefined ? own : [...own, ...this.outer.limits]
  }

  /**
   * Returns what is left of a limit, by its name (`user`, `user.inline` …), in whole units of cost; undefined if the limit was
   * not asked, for example because the actor is exempt. A name that no limit has causes the warning `limit.unknown`.
   */
  remaining(limit: string): number | undefined {
    const left = this.limits.find(({ name }) => name === limit)?.remaining
    // Rounded down, since an update usually costs 1. The exact value, for fractional costs, is in `limits`.
    if (left !== undefined) return Math.floor(left + 1e-6)
    this.missed('remaining', limit)
    return undefined
  }

  /**
   * Gives back what the sentinel and the guards in front of the handler charged for this update: everything, or the charge of one
   * limit. If the update is redelivered, what its first attempt was charged, unless that was in another process or before several
   * changes of the options. Works once, and never returns more than was charged. If two limits share the name, the one nearest to
   * the handler is refunded, as in {@link SentinelControl.remaining}. A name that no limit has causes the warning `limit.unknown`.
   */
  async refund(limit?: string): Promise<void> {
    if (limit === undefined) {
      for (const each of this.chain()) await each.refundOwn(undefined)
      return
    }
    for (const each of this.chain()) if (await each.refundOwn(limit)) return
    this.missed('refund', limit)
  }

  /** Handles a limit that was not asked: warns if no limit has that name. */
  private missed(word: 'remaining' | 'refund', limit: string): void {
    const hosts = [...this.chain()].map(({ host }) => host)
    // Handlers often ask about exempt actors, so names are collected only if a warning is due.
    if (hosts.some((host) => host.hasLimit?.(limit))) return
    const known = hosts.flatMap((host) => host.limitNames?.() ?? [])
    this.host.unknownLimit?.(word, limit, known)
  }

  /** This control and the outer ones. */
  private *chain(): Generator<SentinelControl> {
    for (let each: SentinelControl | undefined = this; each !== undefined; each = each.outer) yield each
  }

  private async refundOwn(limit: string | undefined): Promise<boolean> {
    const { decision, host } = this
    const earlier = decision?.waived === true ? host.chargeOf?.(this.ctx) : undefined
    return decision !== undefined && (await host.refund(earlier ?? decision, limit))
  }

  /**
   * Denies this update after it was admitted: tells listeners, counts the denial and, by default, notifies the user. The handler
   * continues until it returns.
   */
  async deny(options: DenyOptions = {}): Promise<void> {
    await this.host.denyAdmitted(this, options)
  }

  /**
   * Tells whether the actor has a permission, such as `orders.refund`, by roles granted everywhere or in this chat, or assigned
   * by Telegram; see `roles` of `sentinel()`. The owner and the users listed in `exempt` have every permission. False for an
   * invalid permission name, and if the storage fails (reported as an `error` event).
   */
  async can(permission: string): Promise<boolean> {
    return (await this.host.can(this, permission)) || (await this.outer?.can(permission)) === true
  }

  /**
   * Tells whether the actor holds a role or one that extends it: everywhere, in this chat, or assigned by Telegram. Fails like
   * {@link can}.
   */
  async hasRole(role: string): Promise<boolean> {
    return (await this.host.hasRole(this, role)) || (await this.outer?.hasRole(role)) === true
  }

  /** The values that hooks have added for this update, by name. The object has no prototype. */
  get enriched(): Readonly<Record<string, unknown>> {
    const own = this.host.broughtFor?.(this.ctx)
    const outer = this.outer?.enriched ?? NOTHING
    if (own === undefined) return outer
    return outer === NOTHING || outer === own ? own : Object.assign(Object.create(null), outer, own)
  }

  /** Called by the chain when the verdict changes. */
  decide(verdict: Denied): void {
    this.decided = verdict
  }
}

/**
 * Puts the control of an update that was held back in force again when its burst begins. Guards on another branch may have admitted
 * the same context since then. Their controls stay in the line, because their handlers may still be running.
 */
export function bringForward(control: SentinelControl, ctx: Context & Partial<SentinelFlavor>): void {
  const { sentinel: latest } = ctx
  if (latest === control) return
  const { facts, burst, identity } = control
  ctx.sentinel =
    latest === undefined
      ? control
      : Object.assign(new SentinelControl(facts, ctx, latest.verdict, undefined, hostOf(control), latest), {
          burst,
          identity,
        })
}

/**
 * Returns the chain of the nearest sentinel that an update has passed.
 *
 * @typeParam Chain The type of the chains that make controls. Only their caller can name it, see {@link RootChain}.
 */
export function rootOf<Chain extends RootChain>(ctx: Context & Partial<SentinelFlavor>): Chain | undefined {
  return nearest(ctx, 'root') as Chain | undefined
}

/** Calls a function with the chain of each sentinel that an update has passed; undefined for guards that stand alone. */
export function forEachRoot(
  ctx: Context & Partial<SentinelFlavor>,
  seen: (root: RootChain | undefined) => void,
): void {
  for (let control = ctx.sentinel; control !== undefined; control = control.outer) seen(hostOf(control)?.root)
}

/**
 * Records that an update which a sentinel counted as allowed is denied after all. Returns true if it had not been denied before.
 */
export function recordDenial(ctx: Context & Partial<SentinelFlavor>, tally: object): boolean {
  const counted = controlBy(ctx, tally)
  if (counted === undefined) return true
  const isFirst = !denied.has(counted)
  denied.add(counted)
  return isFirst
}

/** Notes that guards have charged a failed update, of those behind the guards with this host. Never rejects. */
export function noteChargesBehind(
  host: ControlHost,
  ctx: Context & Partial<SentinelFlavor>,
): MaybePromise<unknown> {
  const behind: SentinelControl[] = []
  const noting: MaybePromise<void>[] = []
  for (let control = ctx.sentinel; control !== undefined; control = control.outer) {
    // Only up to the controls of those guards; nothing outside of them has failed.
    if (hostOf(control) === host) noting.push(...behind.splice(0).map(notedCharge))
    else behind.push(control)
  }
  return noting.some(isPromise) ? Promise.all(noting) : undefined
}

function notedCharge(control: SentinelControl): MaybePromise<void> {
  const decision = decisionOf(control)
  return decision === undefined ? undefined : hostOf(control).noteCharge?.(decision, control.ctx)
}

/** Returns what the nearest guards with `once` know of attempts to handle an update; undefined if it has passed none. */
export function attemptsFor(ctx: Context & Partial<SentinelFlavor>): Attempts | undefined {
  return nearest(ctx, 'attempts')
}

/**
 * Runs the handlers of a further branch for an update that has passed guards before. `by` identifies the guards, see
 * {@link hasPassed}. If these handlers throw, the update may be redelivered as if those of the first branch had thrown.
 */
export function handleAlso(
  ctx: Context & Partial<SentinelFlavor>,
  by: object,
  next: NextFunction,
): MaybePromise<void> {
  const passed = controlBy(ctx, by)
  const host = passed && hostOf(passed)
  return passed === undefined || host?.handle === undefined
    ? next()
    : host.handle(decisionOf(passed), ctx, next)
}

/** An update of a burst that is handled together with the burst's last one. */
interface Gathered {
  readonly facts: Facts
  readonly ctx: Context
  readonly decision: Decision | undefined
}

/** Returns the other updates of the burst that the same chain gathered with this one. */
export function gatheredWith(control: SentinelControl): readonly Gathered[] {
  const { burst = [], ctx } = control
  return burst.flatMap((each: Context & Partial<SentinelFlavor>) => {
    const { sentinel: own } = each
    if (own === undefined || each === ctx || hostOf(own) !== hostOf(control)) return []
    return [{ facts: own.facts, ctx: each, decision: decisionOf(own) }]
  })
}

/** Whether an update has passed the sentinel with this tally, or the guards in front of a handler with this {@link ControlHost}. */
export function hasPassed(ctx: Context & Partial<SentinelFlavor>, by: object): boolean {
  return controlBy(ctx, by) !== undefined
}

/** Returns the outermost control of guards, which `by` identifies as in {@link hasPassed}. */
function controlBy(ctx: Context & Partial<SentinelFlavor>, by: object): SentinelControl | undefined {
  let found: SentinelControl | undefined
  for (let control = ctx.sentinel; control !== undefined; control = control.outer) {
    // In tests of bots, `ctx.sentinel` may be an object made by the test. Guards in front of a handler share their sentinel's tally.
    const host: ControlHost | undefined = hostOf(control)
    if (host === by || host?.tally === by) found = control
  }
  return found
}

/** Returns a property of the nearest guards that have it. */
function nearest<Name extends keyof ControlHost>(
  ctx: Context & Partial<SentinelFlavor>,
  name: Name,
): ControlHost[Name] | undefined {
  for (let control = ctx.sentinel; control !== undefined; control = control.outer) {
    const host: ControlHost | undefined = hostOf(control)
    const found = host?.[name]
    if (found !== undefined) return found
  }
  return undefined
}

/** Returns the facts of an update if a guard further up has already read them. */
export function known(ctx: Context & Partial<SentinelFlavor>): Facts | undefined {
  const { sentinel } = ctx
  return sentinel !== undefined && sentinel.ctx === ctx ? sentinel.facts : undefined
}

/**
 * Adds `ctx.sentinel` to the type of contexts that passed a guard; handlers in front of the guard do not have it. The type
 * argument is the type of the contexts in {@link SentinelControl.burst}, by default plain ones.
 *
 * @example
 * ```ts
 * import { Bot, type Context } from 'grammy'
 * import { sentinel, type SentinelFlavor } from 'grammy-sentinel'
 *
 * const bot = new Bot<Context & SentinelFlavor>('123:token')
 * bot.use(sentinel())
 * bot.on('message', (ctx) => console.log(ctx.sentinel.remaining('user')))
 *
 * interface MyContext extends Context, SentinelFlavor<MyContext> {
 *   tenant: string
 * }
 * const tenants = (ctx: MyContext) => ctx.sentinel.burst?.map(({ tenant }) => tenant)
 * ```
 */
export interface SentinelFlavor<C extends Context = Context> {
  /** See {@link SentinelControl}. */
  sentinel: SentinelControl<C>
}
