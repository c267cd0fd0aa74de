import type { Context } from 'grammy'
import type { Decision, MaybePromise } from '../../core/check.js'
import type { Facts } from '../../core/facts.js'
import type { Denied, Verdict } from '../../core/verdict.js'
import type { Chain } from '../pipeline.js'

/**
 * A limit that was asked, as it stands.
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
  /** Its name within the guard, such as `user`. */
  readonly name: string
  /** What is left, in units of cost. A bucket refills all the time, so it may be a fraction: `Math.floor` it for people. */
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
  /** Why, for listeners and logs; not shown to the user. */
  readonly note?: string
  /** Say so to the user, in their language. @default true */
  readonly notice?: boolean
  /** Give the charges of this update back. @default false */
  readonly refund?: boolean
}

/** What the chain does for a control. */
export interface ControlBack {
  /** Tells one sentinel from another. */
  readonly tally?: object
  /** The chain of the sentinel itself, for one that stands in front of a single handler, too. */
  readonly root?: Chain<Context> | undefined
  limitsOf(decision: Decision): readonly LimitView[]
  /** What hooks have brought for the update of a context. */
  broughtFor?(ctx: Context): Readonly<Record<string, unknown>> | undefined
  /** Whether there is such a limit. */
  refund(decision: Decision, limit: string | undefined): MaybePromise<boolean>
  /** Whether the sentinel, a handler that an update has come to, or a policy has a limit of this name. */
  hasLimit?(limit: string): boolean
  /** Of the sentinel's own limits, and of those in front of handlers that updates have come to. */
  limitNames?(): readonly string[]
  /** Says that no limit has this name. */
  unknownLimit?(word: 'remaining' | 'refund', limit: string, known: readonly string[]): void
  denyLater(control: SentinelControl, options: DenyOptions): MaybePromise<void>
  /** Takes back what a guard in front of a handler has charged: the handler failed, and the update may come again. */
  takeBack?(decision: Decision, ctx: Context): void
  can(control: SentinelControl, permission: string): MaybePromise<boolean>
  hasRole(control: SentinelControl, role: string): MaybePromise<boolean>
}

const NOTHING: Readonly<Record<string, unknown>> = Object.freeze(Object.create(null))

/** What stands behind a control is nobody's business but ours. */
let backOf: (control: SentinelControl) => ControlBack
let takenBack: (control: SentinelControl) => void
let gathered: (control: SentinelControl) => readonly Gathered[]
/** Whether it was not before. */
let stopped: (control: SentinelControl) => boolean

/**
 * What a handler finds in `ctx.sentinel`: the facts of the update, what is left of each limit, and a say.
 *
 * @example
 * ```ts
 * import { Bot, type Context } from 'grammy'
 * import { sentinel, type SentinelFlavor } from 'grammy-sentinel'
 *
 * const bot = new Bot<Context & SentinelFlavor>('123:token')
 * bot.use(sentinel())
 * bot.command('roll', async (ctx) => {
 *   const left = ctx.sentinel.remaining('user') // undefined for whoever is let off, such as the owner
 *   await ctx.reply(`You have ${left ?? 'plenty'} left.`)
 *   if (Math.random() < 0.1) await ctx.sentinel.refund() // this one is on the house
 * })
 * ```
 */
export class SentinelControl<C extends Context = Context> {
  static {
    backOf = (control) => control.back
    stopped = (control) => {
      const isFirst = !control.isStopped
      control.isStopped = true
      return isFirst
    }
    gathered = ({ burst = [], ctx, back }) =>
      burst.flatMap((each: Context & Partial<SentinelFlavor>) => {
        const { sentinel: own } = each
        if (own === undefined || each === ctx || own.back !== back) return []
        return [{ facts: own.facts, ctx: each, decision: own.decision }]
      })
    takenBack = (control) => {
      if (control.decision !== undefined) control.back.takeBack?.(control.decision, control.ctx)
    }
  }

  /** Messages that a trailing debounce or an album gathered, oldest first; this context's own last. */
  burst: readonly C[] | undefined
  /** What `auth`'s resolver brought, if there is one. */
  identity: unknown
  /** This update was handled before, in vain. */
  readonly isRepeated: boolean
  /** It was counted as allowed, and then as denied. */
  private isStopped = false
  private decided: Verdict

  constructor(
    readonly facts: Facts,
    readonly ctx: Context,
    verdict: Verdict,
    private readonly decision: Decision | undefined,
    private readonly back: ControlBack,
    /** The control of a sentinel further up, if there is one. */
    readonly outer: SentinelControl<C> | undefined,
  ) {
    this.decided = verdict
    // The burst and the identity of a sentinel further up hold for all guards behind it.
    this.burst = outer?.burst
    this.identity = outer?.identity
    // Of an album, parts behind the first are waived as well.
    this.isRepeated = outer?.isRepeated === true || (decision?.waived === true && facts.album === undefined)
  }

  /** How it was decided; changes with {@link deny}. */
  get verdict(): Verdict {
    return this.decided
  }

  /** Every limit that was asked, as it stands now. */
  get limits(): readonly LimitView[] {
    const own = this.decision === undefined ? [] : this.back.limitsOf(this.decision)
    return this.outer === undefined ? own : [...own, ...this.outer.limits]
  }

  /**
   * What is left of a limit, by its name (`user`, `user.inline` …), in whole units of cost; undefined if it was not asked, as for
   * whoever is let off. A name that no limit has is the warning `limit.unknown`.
   */
  remaining(limit: string): number | undefined {
    const left = this.limits.find(({ name }) => name === limit)?.remaining
    // A bucket refills all the time, and nobody sends a third of a message; what costs a fraction finds it in `limits`.
    if (left !== undefined) return Math.floor(left + 1e-6)
    this.missed('remaining', limit)
    return undefined
  }

  /**
   * Gives back what this update was charged, by the sentinel and by guards in front of the handler: all of it, or that of one
   * limit. Once; never more than was charged. Of two limits of one name it is the one nearest to the handler, as in
   * {@link SentinelControl.remaining}; a name that no limit has is the warning `limit.unknown`.
   */
  async refund(limit?: string): Promise<void> {
    if (limit === undefined) {
      for (const each of this.chain()) await each.refundOwn(undefined)
      return
    }
    for (const each of this.chain()) if (await each.refundOwn(limit)) return
    this.missed('refund', limit)
  }

  /** A limit that was not asked: said where there is none of that name. */
  private missed(word: 'remaining' | 'refund', limit: string): void {
    const backs = [...this.chain()].map(({ back }) => back)
    // Handlers ask for whoever is let off all the time: names are gathered for the warning alone.
    if (backs.some((back) => back.hasLimit?.(limit))) return
    const known = backs.flatMap((back) => back.limitNames?.() ?? [])
    this.back.unknownLimit?.(word, limit, known)
  }

  /** It, and those further up. */
  private *chain(): Generator<SentinelControl> {
    for (let each: SentinelControl | undefined = this; each !== undefined; each = each.outer) yield each
  }

  private async refundOwn(limit: string | undefined): Promise<boolean> {
    return this.decision !== undefined && (await this.back.refund(this.decision, limit))
  }

  /**
   * Stops this update after all: tells listeners and counters, and by default the user. The handler goes on
   * until it returns.
   */
  async deny(options: DenyOptions = {}): Promise<void> {
    await this.back.denyLater(this, options)
  }

  /**
   * Whether whoever acts may do something, such as `orders.refund`, by the roles they hold everywhere, in this chat, or by
   * Telegram's leave: see `roles` of `sentinel()`. The owner and the listed users of `exempt` may do all that a role
   * allows. False for what is no permission, and where the storage fails (told as an `error` event).
   */
  async can(permission: string): Promise<boolean> {
    return (await this.back.can(this, permission)) || (await this.outer?.can(permission)) === true
  }

  /** Whether whoever acts holds a role, or one that counts as it: everywhere, in this chat, or by Telegram's leave. Fails as {@link can}. */
  async hasRole(role: string): Promise<boolean> {
    return (await this.back.hasRole(this, role)) || (await this.outer?.hasRole(role)) === true
  }

  /** What hooks have brought for this update, by name; without a prototype. */
  get enriched(): Readonly<Record<string, unknown>> {
    const own = this.back.broughtFor?.(this.ctx)
    const outer = this.outer?.enriched ?? NOTHING
    if (own === undefined) return outer
    return outer === NOTHING || outer === own ? own : Object.assign(Object.create(null), outer, own)
  }

  /** For the chain: the verdict changed. */
  decide(verdict: Denied): void {
    this.decided = verdict
  }
}

/** The chain of the nearest sentinel that an update has passed. */
export function rootOf(ctx: Context & Partial<SentinelFlavor>): Chain<Context> | undefined {
  for (let control = ctx.sentinel; control !== undefined; control = control.outer) {
    // In tests of bots `ctx.sentinel` may be an object of the test's own.
    const root = backOf(control)?.root
    if (root !== undefined) return root
  }
  return undefined
}

/** Notes that an update which a sentinel has counted as allowed is stopped after all; whether nobody has before. */
export function stopsFirst(ctx: Context & Partial<SentinelFlavor>, tally: object): boolean {
  let counted: SentinelControl | undefined
  for (let control = ctx.sentinel; control !== undefined; control = control.outer) {
    if (backOf(control)?.tally === tally) counted = control
  }
  return counted === undefined || stopped(counted)
}

/** Takes back what guards in front of handlers have charged behind a sentinel, and behind others that stand behind it. */
export function takeBackBehind(root: Chain<Context>, ctx: Context & Partial<SentinelFlavor>): void {
  const behind: SentinelControl[] = []
  for (let control = ctx.sentinel; control !== undefined; control = control.outer) {
    behind.push(control)
    // Up to the controls of that sentinel. What is further out has not failed.
    if (backOf(control)?.root === root) for (const each of behind.splice(0)) takenBack(each)
  }
}

/** An update that waits for nothing but the last of those it was gathered with. */
export interface Gathered {
  readonly facts: Facts
  readonly ctx: Context
  readonly decision: Decision | undefined
}

/** What the same chain has gathered with an update, but for itself. */
export function gatheredWith(control: SentinelControl): readonly Gathered[] {
  return gathered(control)
}

/** Whether an update has passed the sentinel that keeps this tally. `other` is told of others that it has passed. */
export function hasPassed(
  ctx: Context & Partial<SentinelFlavor>,
  tally: object,
  other: (root: ControlBack['root']) => void,
): boolean {
  for (let control = ctx.sentinel; control !== undefined; control = control.outer) {
    const back = backOf(control)
    if (back.tally === tally) return true
    other(back.root)
  }
  return false
}

/**
 * Adds `ctx.sentinel` to a context that passed a guard. Handlers in front of the guard have none. The contexts of a
 * {@link SentinelControl.burst} are of the kind that is named; by default they are plain ones.
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
