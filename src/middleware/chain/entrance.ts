import type { Context, NextFunction } from 'grammy'
import { type Decision, isPromise, type MaybePromise } from '../../core/check.js'
import type { Facts } from '../../core/facts.js'
import { later, preload } from '../../core/later.js'
import { ALLOWED } from '../../core/verdict.js'
import { GUARD } from '../concurrency/defaults.js'
import type { Place } from '../concurrency/places.js'
import { isUnseated, Seating, seated, type Taken } from '../concurrency/seating.js'
import type { Admission, Onward, Wired } from '../guard.js'
import type { HookVeto, Steps } from '../hooking/steps.js'
import { denied, type Refusals, type Stop, vetoedBy } from '../refusing/refusals.js'
import type { Services } from '../services.js'
import { type ControlHost, SentinelControl, type SentinelFlavor } from './control.js'
import type { FirstUses } from './first-uses.js'
import { Held } from './held.js'
import type { LateEntrance } from './late-entrance.js'
import { type Step, stepped } from './probe.js'
import { chargeFor, type Follower, noteLateCharge } from './redelivery/redelivered-charges.js'
import type { Settling } from './settling.js'
import type { Tally } from './tally.js'

const entering = later(GUARD, () => import('./late-entrance.js'))

/** The chain that an update has passed. */
interface EnteredChain extends Follower {
  readonly tally: Tally
  readonly host: ControlHost
  readonly uses: FirstUses | undefined
  /** True for guards in front of a single handler. */
  readonly inner: boolean
  /** Whether it charges redelivered updates once by what it notes itself. */
  readonly follows: boolean
}

/**
 * Brings an admitted update to its handlers: runs the last hooks, takes places, lets guards hold it back, and handles how it
 * ends.
 */
export class Entrance implements LateEntrance {
  private readonly diverters: readonly Wired<Context>[]
  /** Undefined if no guard counts running handlers. */
  readonly seating: Seating | undefined
  /** Whether an update may be held back first. Then it takes its place when it is handled. */
  private readonly seatsAfterHold: boolean

  constructor(
    readonly services: Services,
    readonly chain: EnteredChain,
    private readonly refusals: Refusals,
    readonly settling: Settling,
    private readonly steps: Steps,
    wired: readonly Wired<Context>[],
  ) {
    this.diverters = wired.filter(({ divert }) => divert !== undefined)
    const seats = wired.filter(({ seat }) => seat !== undefined)
    const shadowed = (facts: Facts, ctx: Context, refusal: Admission): void =>
      this.shadow(facts, ctx, refusal)
    this.seating = seats.length === 0 ? undefined : new Seating(seats, shadowed)
    this.seatsAfterHold = this.seating !== undefined && this.diverters.length > 0
    if (this.seatsAfterHold) preload(entering)
  }

  enter(
    facts: Facts,
    ctx: Context,
    next: NextFunction,
    decision: Decision | undefined,
    identity: unknown,
  ): MaybePromise<void> {
    const taken = this.seatsAfterHold ? undefined : this.take(facts, ctx)
    return isPromise(taken)
      ? taken.then((resolved) => this.enterWith(resolved, facts, ctx, next, decision, identity))
      : this.enterWith(taken, facts, ctx, next, decision, identity)
  }

  /** Handles a veto by a guard's last word. Charges are given back, except for a veto by the resolver of `auth`. */
  veto(
    { veto = 'vetoed', note, by }: Admission,
    facts: Facts,
    ctx: Context,
    decision: Decision | undefined,
    { denial, hooksRan, wasAllowed }: Omit<Stop, 'verdict' | 'notice'>,
  ): MaybePromise<void> {
    // The update was not handled: if it is redelivered, it may be handled, and is not charged again.
    this.settling.settle(decision, 'release')
    if (by === undefined)
      return this.refusals.deny(facts, ctx, { verdict: denied(veto, 'auth', note), denial, wasAllowed })
    this.uncharge(facts, ctx, decision)
    const { notice } = by
    return this.refusals.deny(facts, ctx, {
      verdict: vetoedBy(by, veto),
      denial,
      notice,
      hooksRan,
      wasAllowed,
    })
  }

  /**
   * Gives the charges back, as if a limit of the plan had refused. Except for the first part of an album, which pays for the
   * later parts: otherwise albums would cost nothing as long as their first part is vetoed.
   */
  private uncharge({ album, activity }: Facts, ctx: Context, decision: Decision | undefined): void {
    if (album === undefined || activity !== 'message') this.giveBack(ctx, decision)
  }

  /** Gives back what was charged, in this attempt to handle the update or in an earlier one that failed here. */
  giveBack(ctx: Context, decision: Decision | undefined): void {
    this.settling.settle(chargeFor(this.chain, decision, ctx), 'refund')
  }

  /** Reports a veto in shadow mode, which stops nothing. */
  shadow(facts: Facts, ctx: Context, { veto = 'vetoed', by }: Admission): void {
    const { guard, limit } = by ?? { guard: 'auth', limit: 'resolver' }
    this.refusals.shadow(facts, ctx, guard, limit, veto)
  }

  /** Whether a hook has stopped the update. In shadow mode the veto is only reported. */
  isStopped(facts: Facts, ctx: Context, veto: HookVeto | undefined): veto is HookVeto {
    if (veto === undefined || !this.services.shadow) return veto !== undefined
    this.refusals.shadow(facts, ctx, 'hook', veto.hook, 'vetoed')
    return false
  }

  private enterWith(
    taken: Taken,
    facts: Facts,
    ctx: Context,
    next: NextFunction,
    decision: Decision | undefined,
    identity: unknown,
  ): MaybePromise<void> {
    if (isUnseated(taken)) return this.veto(taken.refusal, facts, ctx, decision, taken.by)
    return this.services.hooks.deciding
      ? this.enterHooked(taken, facts, ctx, next, decision, identity)
      : this.letIn(taken, facts, ctx, next, decision, identity)
  }

  private enterHooked(
    place: Place | undefined,
    facts: Facts,
    ctx: Context,
    next: NextFunction,
    decision: Decision | undefined,
    identity: unknown,
  ): MaybePromise<void> {
    const veto = this.lastHooks(facts, ctx)
    return isPromise(veto)
      ? veto.then((resolved) => this.unlessStopped(resolved, place, facts, ctx, next, decision, identity))
      : this.unlessStopped(veto, place, facts, ctx, next, decision, identity)
  }

  /** Takes places for an update that no guard holds back. If it has to wait for them, probes see the wait. */
  take(facts: Facts, ctx: Context): MaybePromise<Taken> {
    const taken = this.seating?.take(facts, ctx)
    return isPromise(taken) ? this.waited(taken, ctx) : taken
  }

  /** A method of its own, because a closure in {@link take} would allocate a scope for each update in code not yet optimized. */
  private waited(taken: Promise<Taken>, ctx: Context): MaybePromise<Taken> {
    return this.stepped(ctx, () => taken)
  }

  stepped(ctx: Context, run: () => Promise<Taken>): MaybePromise<Taken> {
    const step: Step = { kind: 'background', name: 'held', ctx }
    return stepped(this.services.background.probe, step, run)
  }

  /**
   * Runs the hooks after the guards and at `allowed`; stays synchronous as long as they answer synchronously. Those that come after
   * the wait for a place run later.
   */
  private lastHooks(facts: Facts, ctx: Context): MaybePromise<HookVeto | undefined> {
    const veto = this.steps.after(facts, ctx, this.seatsAfterHold)
    return isPromise(veto)
      ? veto.then((resolved) => resolved ?? this.allowed(false, facts, ctx))
      : (veto ?? this.allowed(false, facts, ctx))
  }

  /** Runs the hooks that come after the wait for a place. */
  async hooksAfterSeating(facts: Facts, ctx: Context): Promise<HookVeto | undefined> {
    return (await this.steps.afterSeating(facts, ctx)) ?? this.allowed(true, facts, ctx)
  }

  /**
   * Runs the `allowed` hooks if this is their time: after the wait for a place, but before it for updates that may be held back,
   * because each update of a burst has its hooks, and only the last one waits.
   */
  private allowed(isSeated: boolean, facts: Facts, ctx: Context): MaybePromise<HookVeto | undefined> {
    const isAfterSeating = this.seatsAfterHold && !this.diverters.some((guard) => guard.holds?.(facts))
    return this.chain.inner || isSeated !== isAfterSeating ? undefined : this.steps.allowed(facts, ctx)
  }

  private unlessStopped(
    veto: HookVeto | undefined,
    place: Place | undefined,
    facts: Facts,
    ctx: Context,
    next: NextFunction,
    decision: Decision | undefined,
    identity: unknown,
  ): MaybePromise<void> {
    return this.isStopped(facts, ctx, veto)
      ? this.stopped(place, facts, ctx, decision, veto)
      : this.letIn(place, facts, ctx, next, decision, identity)
  }

  /** Handles a veto by a hook after the guards admitted the update. */
  stopped(
    place: Place | undefined,
    facts: Facts,
    ctx: Context,
    decision: Decision | undefined,
    veto: HookVeto,
    wasAllowed = false,
  ): MaybePromise<void> {
    place?.leave()
    this.settling.settle(decision, 'release')
    this.uncharge(facts, ctx, decision)
    return this.refusals.hooked(facts, ctx, veto, wasAllowed)
  }

  /** Sets `ctx.sentinel`, which handlers may read for every update that reaches them. */
  control(facts: Facts, ctx: Context, decision?: Decision): SentinelControl {
    const flavored = ctx as Context & Partial<SentinelFlavor>
    const { sentinel: outer } = flavored
    const { chain } = this
    // On a fork, guards of another branch may have refused the update.
    const verdict = chain.inner && outer !== undefined ? outer.verdict : ALLOWED
    const charge = chain.follows && outer?.isRepeated === true ? chargeFor(chain, decision, ctx) : decision
    if (chain.follows) noteLateCharge(chain, charge, ctx)
    const control = new SentinelControl(facts, ctx, verdict, charge, chain.host, outer)
    flavored.sentinel = control
    return control
  }

  /** Admits the update, and runs its handlers or lets a guard take it over. */
  private letIn(
    place: Place | undefined,
    facts: Facts,
    ctx: Context,
    next: NextFunction,
    decision: Decision | undefined,
    identity: unknown,
  ): MaybePromise<void> {
    const control = this.control(facts, ctx, decision)
    if (identity !== undefined) control.identity = identity
    if (this.chain.uses?.isAwaited) this.chain.uses.wake(ctx)
    return this.seatsAfterHold
      ? this.letInLate(control, next, decision)
      : this.letInNow(place, control, next, decision)
  }

  private letInNow(
    place: Place | undefined,
    control: SentinelControl,
    next: NextFunction,
    decision: Decision | undefined,
  ): MaybePromise<void> {
    const { facts, ctx } = control
    this.count(facts, ctx)
    if (this.diverters.length > 0) {
      const held = new Held(next)
      if (this.divert(held, held.run, control, decision)) return
    }
    return place === undefined
      ? this.settling.run(next, decision, ctx)
      : seated(place, this.settling, next, decision, ctx)
  }

  /** Offers the update to guards that may hold it back; returns whether one does. `onward` takes it to its handlers when the time has come. */
  divert(
    held: Held,
    onward: Onward,
    control: SentinelControl,
    decision: Decision | undefined,
    seated = false,
  ): boolean {
    const { facts, ctx } = control
    if (!this.diverters.some(({ divert }) => divert?.(facts, ctx, onward, control, seated))) return false
    this.chain.uses?.note(ctx, held)
    this.settling.settle(decision, 'complete')
    return true
  }

  /** Counts an admitted update, unless a sentinel upstream has counted it. */
  count(facts: Facts, ctx: Context): void {
    if (this.chain.inner) return
    this.chain.tally.allowed++
    if (this.services.events.wanted('allowed')) this.services.events.tell('allowed', { facts, ctx })
  }

  /** Admits an update that may be held back before it takes its place; without a place, as long as the part for that cannot be loaded. */
  private async letInLate(
    control: SentinelControl,
    next: NextFunction,
    decision: Decision | undefined,
  ): Promise<void> {
    const { facts, ctx } = control
    const { uses } = this.chain
    // Until this is known, further uses of the guards must not take the update for one that has passed.
    uses?.note(ctx, 'seating')
    let part: typeof import('./late-entrance.js')
    try {
      part = entering.now ?? (await entering.load())
    } catch (error) {
      this.services.failed(error, GUARD)
      const veto = await this.hooksAfterSeating(facts, ctx)
      const isStopped = this.isStopped(facts, ctx, veto)
      uses?.note(ctx, isStopped ? 'stopped' : 'passed')
      if (isStopped) return this.stopped(undefined, facts, ctx, decision, veto)
      return this.letInNow(undefined, control, next, decision)
    }
    return part.letInLate(this, control, next, decision)
  }
}
