import type { Context, NextFunction } from 'grammy'
import { type Decision, isPromise, type MaybePromise } from '../core/check.js'
import type { Facts } from '../core/facts.js'
import { ALLOWED } from '../core/verdict.js'
import { type ControlBack, SentinelControl, type SentinelFlavor } from './control.js'
import type { Denial } from './denial.js'
import type { Admission, Wired } from './guard.js'
import type { House } from './house.js'
import type { Place } from './places.js'
import type { Refusals } from './refusals.js'
import { leaveAll, Seating, seated, type Taken } from './seating.js'
import type { Settling } from './settling.js'
import type { HookVeto, Steps } from './steps.js'
import type { Tally } from './tally.js'

/** What lets updates in for a chain. */
export interface EntranceParts<C extends Context> {
  readonly house: House
  readonly tally: Tally
  readonly refusals: Refusals<C>
  readonly settling: Settling
  readonly steps: Steps
  readonly back: ControlBack
  /** A sentinel upstream has let the update in, and counted it. */
  readonly inner: boolean
}

/** From the last word of the guards to the handlers: hooks, places at work, what is held back, and how it all ends. */
export class Entrance<C extends Context> {
  private readonly diverters: readonly Wired<C>[]
  /** Undefined where nobody counts who is at work. */
  private readonly seating: Seating<C> | undefined

  constructor(
    private readonly parts: EntranceParts<C>,
    wired: readonly Wired<C>[],
  ) {
    this.diverters = wired.filter(({ divert }) => divert !== undefined)
    const seats = wired.filter(({ seat }) => seat !== undefined)
    const shadowed = (facts: Facts, ctx: C, refusal: Admission): void => this.shadow(facts, ctx, refusal)
    this.seating = seats.length === 0 ? undefined : new Seating(seats, shadowed)
  }

  enter(
    facts: Facts,
    ctx: C,
    next: NextFunction,
    decision: Decision | undefined,
    identity: unknown,
  ): MaybePromise<void> {
    // What may be held back takes its place when its time has come.
    if (this.seating === undefined || this.diverters.length > 0) {
      return this.parts.house.hooks.deciding
        ? this.enterHooked(facts, ctx, next, decision, identity, undefined)
        : this.letIn(facts, ctx, next, decision, identity, undefined)
    }
    const taken = this.seating.take(facts, ctx)
    return isPromise(taken)
      ? taken.then((later) => this.enterSeated(later, facts, ctx, next, decision, identity))
      : this.enterSeated(taken, facts, ctx, next, decision, identity)
  }

  /** A guard has said no, with the last word: what was charged is given back, but for a resolver of `auth`. */
  veto(
    { veto = 'vetoed', note, by }: Admission,
    facts: Facts,
    ctx: C,
    decision: Decision | undefined,
    denial: Denial<C> | undefined,
    late = false,
  ): MaybePromise<void> {
    const { settling, refusals } = this.parts
    // What was vetoed was not handled: the same update may come again, and pays no second time.
    settling.settle(decision, 'release')
    if (by === undefined) return refusals.deny(facts, ctx, veto, 'auth', note, denial)
    // As if a limit of the plan had refused: then nothing is charged.
    settling.settle(decision, 'refund')
    return refusals.veto(facts, ctx, veto, by, denial, late)
  }

  /** In shadow a veto is told, and stops nothing. */
  shadow(facts: Facts, ctx: C, { veto = 'vetoed', by }: Admission): void {
    const { guard, limit } = by ?? { guard: 'auth', limit: 'resolver' }
    this.parts.refusals.shadow(facts, ctx, guard, limit, veto)
  }

  /** Whether a hook has stopped the update. */
  isStopped(facts: Facts, ctx: C, veto: HookVeto | undefined): veto is HookVeto {
    if (veto === undefined || !this.parts.house.shadow) return veto !== undefined
    this.parts.refusals.shadow(facts, ctx, 'hook', veto.hook, 'vetoed')
    return false
  }

  private enterSeated(
    taken: Taken<C>,
    facts: Facts,
    ctx: C,
    next: NextFunction,
    decision: Decision | undefined,
    identity: unknown,
  ): MaybePromise<void> {
    if ('refusal' in taken) return this.veto(taken.refusal, facts, ctx, decision, taken.by.denial)
    return this.parts.house.hooks.deciding
      ? this.enterHooked(facts, ctx, next, decision, identity, taken)
      : this.letIn(facts, ctx, next, decision, identity, taken)
  }

  private async enterHooked(
    facts: Facts,
    ctx: C,
    next: NextFunction,
    decision: Decision | undefined,
    identity: unknown,
    places: readonly Place[] | undefined,
  ): Promise<void> {
    const { steps, inner } = this.parts
    let veto = await steps.after(facts, ctx, places === undefined && this.seating !== undefined)
    if (!inner) veto ??= await steps.allowed(facts, ctx)
    if (!this.isStopped(facts, ctx, veto)) {
      return this.letIn(facts, ctx, next, decision, identity, places)
    }
    return this.stopped(facts, ctx, decision, veto, places)
  }

  /** A hook has said no to what was admitted. */
  private stopped(
    facts: Facts,
    ctx: C,
    decision: Decision | undefined,
    veto: HookVeto,
    places: readonly Place[] = [],
  ): MaybePromise<void> {
    leaveAll(places)
    this.parts.settling.settle(decision, 'release')
    this.parts.settling.settle(decision, 'refund')
    return this.parts.refusals.hooked(facts, ctx, veto)
  }

  /** Lets the update in, and sees how its handlers end. */
  private letIn(
    facts: Facts,
    ctx: C,
    next: NextFunction,
    decision: Decision | undefined,
    identity: unknown,
    places: readonly Place[] | undefined,
  ): MaybePromise<void> {
    const flavored = ctx as C & Partial<SentinelFlavor>
    const { back, settling } = this.parts
    const control = new SentinelControl(facts, ctx, ALLOWED, decision, back, flavored.sentinel)
    control.identity = identity
    flavored.sentinel = control
    const late = this.seating !== undefined && places === undefined
    if (!late) this.count(facts, ctx)
    for (let i = 0; i < this.diverters.length; i++) {
      const on = late ? () => this.sitLater(facts, ctx, next, decision) : next
      if (this.diverters[i]?.divert?.(facts, ctx, on, control) === true) {
        if (late) this.count(facts, ctx)
        settling.settle(decision, 'complete')
        return
      }
    }
    if (late) return this.sitNow(facts, ctx, next, decision)
    return places === undefined
      ? settling.run(next, decision)
      : seated(places, () => settling.run(next, decision))
  }

  /** What a sentinel has let in is let in once. */
  private count(facts: Facts, ctx: C): void {
    const { inner, tally, house } = this.parts
    if (inner) return
    tally.allowed++
    if (house.events.wanted('allowed')) house.events.tell('allowed', { facts, ctx })
  }

  /** It might have been held back, and was not. */
  private async sitNow(
    facts: Facts,
    ctx: C,
    next: NextFunction,
    decision: Decision | undefined,
  ): Promise<void> {
    const places = await this.place(facts, ctx, decision)
    if (places === undefined) return
    this.count(facts, ctx)
    return seated(places, () => this.parts.settling.run(next, decision))
  }

  /** Takes a place for what was held back, when its time has come: it was let in, and counted so. */
  private async sitLater(
    facts: Facts,
    ctx: C,
    next: NextFunction,
    decision: Decision | undefined,
  ): Promise<void> {
    const places = await this.place(facts, ctx, decision)
    if (places !== undefined) return seated(places, next)
    if (!this.parts.inner) this.parts.tally.allowed--
  }

  /** A place for an update that was let in; undefined where there is none, or a hook says no: then it was refused. */
  private async place(
    facts: Facts,
    ctx: C,
    decision: Decision | undefined,
  ): Promise<readonly Place[] | undefined> {
    const taken = (await this.seating?.take(facts, ctx)) ?? []
    if ('refusal' in taken) {
      outOfReach(ctx)
      await this.veto(taken.refusal, facts, ctx, decision, taken.by.denial, true)
      return undefined
    }
    if (!this.parts.house.hooks.deciding) return taken
    const veto = await this.parts.steps.afterLate(facts, ctx)
    if (!this.isStopped(facts, ctx, veto)) return taken
    outOfReach(ctx)
    await this.stopped(facts, ctx, decision, veto, taken)
    return undefined
  }
}

/** What does not reach its handlers has nothing to say to those around them. */
function outOfReach(ctx: Context & Partial<SentinelFlavor>): void {
  const outer = ctx.sentinel?.outer
  if (outer === undefined) delete ctx.sentinel
  else ctx.sentinel = outer
}
