import type { Context, NextFunction } from 'grammy'
import { type Ask, type Decision, isPromise, type Judge, type MaybePromise } from '../core/check.js'
import { describe, type Facts } from '../core/facts.js'
import { getOrInsert } from '../core/maps.js'
import { ChainPlan } from './chain/chain-plan.js'
import { known, noteChargesBehind } from './chain/control.js'
import { ChainHost } from './chain/control-host.js'
import { EarlierLayers, type LayerKey } from './chain/earlier-layers.js'
import type { EarlyDecisions } from './chain/early-decisions.js'
import { Entrance } from './chain/entrance.js'
import { type FirstUses, usesOf } from './chain/first-uses.js'
import { IdleWatch } from './chain/idle-watch.js'
import { observe } from './chain/observing.js'
import { Preparation } from './chain/preparation.js'
import type { Probe } from './chain/probe.js'
import { probedGuard } from './chain/probed-guard.js'
import { askedAgain } from './chain/redelivery/redelivered-charges.js'
import { Redeliveries } from './chain/redelivery/redeliveries.js'
import { Settling } from './chain/settling.js'
import { newTally, type Tally } from './chain/tally.js'
import { levelIn } from './exempt/exempt-contexts.js'
import { ADMINISTRATOR, type Exemptions } from './exempt/exemptions.js'
import {
  type Admission,
  type GuardDefinition,
  type GuardServices,
  inShadow,
  type Question,
  type Wired,
} from './guard.js'
import { type HookVeto, Steps } from './hooking/steps.js'
import { Names } from './position/place.js'
import { denied, Refusals } from './refusing/refusals.js'

export { newTally, type Tally }

const NONE: readonly number[] = Object.freeze([])

/** The position of a chain that is not a sentinel's own. */
interface ChainPosition {
  readonly place?: string | undefined
  readonly root?: Chain | undefined
}

/**
 * Runs several guards as one: reads the facts once, decides all questions in one call, and carries out the rest in order.
 * The only exceptions that reach the bot are those of the bot's own handlers.
 */
export class Chain {
  readonly plan: ChainPlan
  /** Decides updates before they are parsed, where a webhook gate does so. */
  earlyDecisions: EarlyDecisions | undefined
  readonly prepared: Preparation
  /** The chain of a sentinel; undefined for guards that stand alone. */
  readonly root: Chain | undefined
  /** True for guards in front of a single handler: the sentinel upstream has already admitted and counted the update. */
  readonly inner: boolean
  /** The chains of guards in front of single handlers behind this sentinel. */
  readonly layers = new Set<Chain>()
  /** Names taken by the guards in front of single handlers; each may be used once. */
  readonly names = new Names()
  readonly earlierLayers = new EarlierLayers<Chain>()
  /** For guards in front of a handler: what {@link layer} created this chain from. */
  key: LayerKey | undefined
  private readonly shared = new Map<string, Chain>()
  probing: Probe | undefined
  observers: readonly Wired<Context>[]
  private admitters: readonly Wired<Context>[]
  readonly host: ChainHost
  /** What became of updates at their first use of these guards; undefined if a second use is judged anew. */
  readonly uses: FirstUses | undefined
  readonly entrance: Entrance
  readonly refusals: Refusals
  private readonly steps: Steps
  readonly redeliveries: Redeliveries
  /** Whether it charges redelivered updates once by what it notes itself, and not by a claim of its own or not at all. */
  readonly follows: boolean
  /** Warns if the guards never ask anything; undefined as soon as they have, and for a sentinel's own chain. */
  private watch: IdleWatch | undefined

  constructor(
    readonly services: GuardServices,
    guards: readonly GuardDefinition[],
    readonly name: string,
    readonly exemptions: Exemptions,
    readonly tally: Tally,
    /** True if it is created while an update waits: then a storage that throws must not stop the update. */
    forUpdate = false,
    /** The handler it stands in front of, and the chain of the sentinel that admitted the update. */
    { place, root }: ChainPosition = {},
  ) {
    this.root = root ?? (forUpdate ? undefined : this)
    this.inner = root !== undefined
    const { shared, steady } = services
    this.redeliveries = getOrInsert(shared.redeliveries, name, () => new Redeliveries(steady))
    this.plan = new ChainPlan(services, guards, place)
    this.steps = new Steps(services, this.plan.steps)
    this.refusals = new Refusals(services, tally, this.inner, this.steps)
    const { wired, questions } = this.plan
    this.observers = wired.filter(({ observe }) => observe !== undefined)
    this.admitters = wired.filter(({ admit }) => admit !== undefined)
    this.prepared = new Preparation(services, () => this.plan.forStorage(name), forUpdate)
    this.follows = this.plan.charging && (this.inner || (forUpdate && !this.plan.released))
    const { refusals, steps, prepared } = this
    const settling = new Settling(prepared, this.plan, services.failed, (ctx, decision) => {
      this.redeliveries.failed(ctx, decision, this)
      return noteChargesBehind(this.host, ctx)
    })
    this.uses = forUpdate ? usesOf(this.plan) : services.firstUses
    this.host = new ChainHost(this)
    this.entrance = new Entrance(services, this, refusals, settling, steps, wired)
    // A guard that diverts updates, such as the albums of debounce, also acts on those about which nothing is asked.
    if (forUpdate && questions.length > 0 && wired.every(({ divert }) => divert === undefined))
      this.watch = new IdleWatch(services, this.plan.steps)
    for (const each of wired) each.begin?.()
  }

  /** This chain, and those in front of single handlers behind it. */
  get within(): readonly Chain[] {
    return [this, ...this.layers]
  }

  /** Takes over from the chain that reconfigure() replaces. */
  follow(earlier: Chain): void {
    this.earlyDecisions = earlier.earlyDecisions
    this.earlierLayers.follow(earlier, this.services)
  }

  /** Sets the probe that sees every step; undefined removes it, so that updates bear no cost of probing. */
  probe(probe: Probe | undefined): void {
    this.probing = probe
    for (const layer of this.layers) layer.probe(probe)
    this.prepared.probe(probe)
    const { names } = this.plan
    const wired = this.plan.wired.map((each, i) => probedGuard(each, names[i] as string, probe))
    this.observers = wired.filter(({ observe }) => observe !== undefined)
    this.admitters = wired.filter(({ admit }) => admit !== undefined)
  }

  /** Update kinds that must be requested from Telegram. */
  get needs(): readonly string[] {
    return [...new Set(this.plan.wired.flatMap(({ needs = [] }) => needs))]
  }

  /** The compiled plan, once the storage has it. */
  ready(): Promise<Judge | undefined> {
    return this.prepared.ready()
  }

  /**
   * Returns the chain for the guards of a handler behind this sentinel. It shares the sentinel's services and exemptions but has
   * a plan of its own.
   */
  layer(key: LayerKey): Chain {
    const { guards, name, place, many } = key
    const known = this.earlierLayers.take(key) ?? (many ? this.shared.get(name) : undefined)
    if (known !== undefined) return known
    const own = `${this.name}/${this.names.take(name, (told) => this.services.warn('handler.name', told))}`
    const all = this.services.shadow ? guards.map(inShadow) : guards
    const layer = new Chain(this.services, all, own, this.exemptions, this.tally, true, {
      place,
      root: this,
    })
    layer.key = key
    if (this.probing !== undefined) layer.probe(this.probing)
    this.layers.add(layer)
    if (many) this.shared.set(name, layer)
    this.earlierLayers.used(layer, key)
    return layer
  }

  /** Returns how many updates guards hold back now, by guard, including guards in front of handlers. */
  waiting(held = new Map<string, number>()): ReadonlyMap<string, number> {
    for (const layer of this.layers) layer.waiting(held)
    this.plan.wired.forEach(({ waiting }, i) => {
      const name = this.plan.names[i] as string
      if (waiting !== undefined) held.set(name, (held.get(name) ?? 0) + waiting())
    })
    return held
  }

  /** Returns how many updates guards hold back or handle in the background, by guard. */
  unfinished(): ReadonlyMap<string, number> {
    const counts = new Map(this.waiting())
    for (const { plan } of this.within) {
      plan.wired.forEach(({ running }, i) => {
        const name = plan.names[i] as string
        if (running !== undefined) counts.set(name, (counts.get(name) ?? 0) + running())
      })
    }
    return counts
  }

  async drain(): Promise<void> {
    this.earlierLayers.isOver = true
    for (const { prepared } of this.within) prepared.stop()
    // All in parallel, so that a guard that hangs does not keep the others from handling what they hold. Handling takes places of
    // `concurrency`, so guards with places are drained afterwards.
    await this.drainAll(({ seat }) => seat === undefined)
    await this.drainAll(({ seat }) => seat !== undefined)
  }

  private async drainAll(which: (wired: Wired<Context>) => boolean): Promise<void> {
    const drains = this.within.flatMap(({ plan }) => plan.wired.filter(which))
    await Promise.all(drains.map((wired) => wired.drain?.()))
  }

  /** The middleware. Returns nothing if it stops an update synchronously, otherwise what the handlers return. */
  run(ctx: Context, next: NextFunction): MaybePromise<void> {
    this.earlyDecisions?.came(ctx.update)
    const bot = this.services.bots.of(ctx)
    const facts = (this.inner ? known(ctx) : undefined) ?? describe(ctx.update, bot.reading)
    if (this.services.hooks.deciding && facts.kind !== undefined) return this.runHooked(facts, ctx, next)
    const observed = observe(this.observers, facts, ctx, this.services.failed)
    if (isPromise(observed)) return this.decideLater(observed, facts, ctx, next)
    return this.decide(facts, ctx, next)
  }

  /*
   * Asynchronous continuations are methods of their own: a closure in the synchronous path would make every update allocate what
   * the closure captures, even if it is never called.
   */

  /** Runs the hooks first. Whatever they decide, observers still see the update. */
  private runHooked(facts: Facts, ctx: Context, next: NextFunction): MaybePromise<void> {
    const veto = this.steps.before(facts, ctx)
    return isPromise(veto)
      ? veto.then((resolved) => this.afterHooks(resolved, facts, ctx, next))
      : this.afterHooks(veto, facts, ctx, next)
  }

  private afterHooks(
    veto: HookVeto | undefined,
    facts: Facts,
    ctx: Context,
    next: NextFunction,
  ): MaybePromise<void> {
    const observed = observe(this.observers, facts, ctx, this.services.failed)
    return isPromise(observed)
      ? observed.then(() => this.unlessStopped(veto, facts, ctx, next))
      : this.unlessStopped(veto, facts, ctx, next)
  }

  private unlessStopped(
    veto: HookVeto | undefined,
    facts: Facts,
    ctx: Context,
    next: NextFunction,
  ): MaybePromise<void> {
    return this.entrance.isStopped(facts, ctx, veto)
      ? this.refusals.hooked(facts, ctx, veto)
      : this.decide(facts, ctx, next)
  }

  private async decideLater(
    observed: Promise<void>,
    facts: Facts,
    ctx: Context,
    next: NextFunction,
  ): Promise<void> {
    await observed
    return this.decide(facts, ctx, next)
  }

  private decide(facts: Facts, ctx: Context, next: NextFunction): MaybePromise<void> {
    if (facts.kind === undefined) {
      if (!this.inner) {
        this.tally.unknown++
        this.services.events.tell('unknown', { facts, ctx })
      }
      this.entrance.control(facts, ctx)
      this.uses?.note(ctx, 'passed')
      return next()
    }
    const { first } = this.prepared
    if (first !== undefined) return this.consultPrepared(first, facts, ctx, next)
    return this.consult(facts, ctx, next)
  }

  private async consultPrepared(
    preparing: Promise<void>,
    facts: Facts,
    ctx: Context,
    next: NextFunction,
  ): Promise<void> {
    await preparing
    return this.consult(facts, ctx, next)
  }

  private consult(
    facts: Facts,
    ctx: Context,
    next: NextFunction,
    level = Math.max(this.exemptions.levelOf(facts, ctx.me.id), levelIn(ctx)),
  ): MaybePromise<void> {
    const decided = this.earlyDecisions?.take(ctx.update, this)
    if (isPromise(decided)) return decided.then(() => this.consult(facts, ctx, next, level))
    if (decided !== undefined) return this.act(facts, ctx, next, decided)
    const asked = this.plan.askFor(facts, ctx, ctx.me.id, level)
    if (this.watch !== undefined) this.watch = this.watch.see(asked, facts, level)
    const ask = asked !== undefined && this.follows ? askedAgain(this, asked, ctx) : asked
    if (isPromise(ask)) return ask.then((resolved) => this.ask(resolved, facts, ctx, next))
    return this.ask(ask, facts, ctx, next)
  }

  private ask(ask: Ask | undefined, facts: Facts, ctx: Context, next: NextFunction): MaybePromise<void> {
    if (ask === undefined) return this.pass(facts, ctx, next, undefined)
    const { judge } = this.prepared
    if (judge === undefined) {
      this.prepared.retry()
      return this.withoutStorage(ask, facts, ctx, next)
    }
    let decision: MaybePromise<Decision>
    try {
      decision = judge.evaluate(ask, this.services.at())
    } catch (error) {
      this.services.failed(error, 'storage.evaluate')
      return this.withoutStorage(ask, facts, ctx, next)
    }
    return isPromise(decision)
      ? this.actLater(decision, ask, facts, ctx, next)
      : this.act(facts, ctx, next, decision)
  }

  private async actLater(
    deciding: Promise<Decision>,
    ask: Ask,
    facts: Facts,
    ctx: Context,
    next: NextFunction,
  ): Promise<void> {
    let decision: Decision
    try {
      decision = await deciding
    } catch (error) {
      this.services.failed(error, 'storage.evaluate')
      return this.withoutStorage(ask, facts, ctx, next)
    }
    return this.act(facts, ctx, next, decision)
  }

  private act(facts: Facts, ctx: Context, next: NextFunction, decision: Decision): MaybePromise<void> {
    if (decision.refusedBy < 0) {
      if (decision.shadowRefusals.length > 0) this.tellShadows(facts, ctx, decision)
      return this.pass(facts, ctx, next, decision)
    }
    return this.refuse(facts, ctx, next, decision)
  }

  private refuse(facts: Facts, ctx: Context, next: NextFunction, decision: Decision): MaybePromise<void> {
    const question = this.plan.questions[decision.refusedBy] as Question<Context>
    const rescued = this.rescues(question, facts, ctx)
    if (!isPromise(rescued)) return this.rescue(rescued, facts, ctx, next, question, decision)
    return rescued.then((yes) => this.rescue(yes, facts, ctx, next, question, decision))
  }

  private rescues(question: Question<Context>, facts: Facts, ctx: Context): MaybePromise<boolean> {
    const rescued = question.exempt === 'everybody' && this.exemptions.rescues(facts, ctx)
    if (question.rescues === undefined || rescued === true) return rescued
    const own = question.rescues
    return isPromise(rescued) ? rescued.then((yes) => yes || own(facts, ctx)) : own(facts, ctx)
  }

  private rescue(
    rescued: boolean,
    facts: Facts,
    ctx: Context,
    next: NextFunction,
    question: Question<Context>,
    decision: Decision,
  ): MaybePromise<void> {
    // Asked again at the level of an administrator: the refusal charged nothing, and a duplicate must not pass twice.
    // If an `exempt()` guard exempts the actor, each question finds that out by itself now.
    if (rescued)
      return this.consult(facts, ctx, next, question.rescues === undefined ? ADMINISTRATOR : undefined)
    this.tellShadows(facts, ctx, decision)
    this.earlyDecisions?.refused(facts, ctx, decision)
    return this.refusals.stop(facts, ctx, question, decision)
  }

  private pass(
    facts: Facts,
    ctx: Context,
    next: NextFunction,
    decision: Decision | undefined,
  ): MaybePromise<void> {
    return this.admitters.length === 0
      ? this.entrance.enter(facts, ctx, next, decision, undefined)
      : this.admit(0, undefined, facts, ctx, next, decision)
  }

  /** Asks the guards with a last word, beginning at `from`; stays synchronous as long as they answer synchronously. */
  private admit(
    from: number,
    identity: unknown,
    facts: Facts,
    ctx: Context,
    next: NextFunction,
    decision: Decision | undefined,
  ): MaybePromise<void> {
    const wired = this.admitters[from]
    if (wired === undefined) return this.entrance.enter(facts, ctx, next, decision, identity)
    const go = (admission: Admission | undefined): MaybePromise<void> => {
      if (admission?.refund === true) this.entrance.giveBack(ctx, decision)
      if (admission?.veto !== undefined && facts.activity !== 'payment') {
        if (wired.shadow !== true)
          return this.entrance.veto(admission, facts, ctx, decision, { denial: wired.denial })
        this.entrance.shadow(facts, ctx, admission)
      }
      return this.admit(from + 1, admission?.identity ?? identity, facts, ctx, next, decision)
    }
    let admission: MaybePromise<Admission | undefined>
    try {
      admission = wired.admit?.(facts, ctx, decision?.shadowRefusals ?? NONE, decision)
    } catch (error) {
      admission = this.notAdmitted(error)
    }
    if (!isPromise(admission)) return go(admission)
    return admission.catch((error) => this.notAdmitted(error)).then(go)
  }

  private notAdmitted(error: unknown): Admission {
    this.services.failed(error, 'admit')
    return { veto: 'unavailable' }
  }

  /** Decides after the storage threw without a fallback: `closed` checks refuse, `local` ones decide as with an empty memory. */
  private withoutStorage(ask: Ask, facts: Facts, ctx: Context, next: NextFunction): MaybePromise<void> {
    const closed = this.plan.closedIn(ask)
    if (closed === undefined) return this.pass(facts, ctx, next, undefined)
    const verdict = denied('unavailable', closed.check.guard)
    return this.refusals.deny(facts, ctx, { verdict, denial: 'silent' })
  }

  private tellShadows(facts: Facts, ctx: Context, { shadowRefusals }: Decision): void {
    for (let i = 0; i < shadowRefusals.length; i++) {
      const { check, name, probe, reason } = this.plan.questions[
        shadowRefusals[i] as number
      ] as Question<Context>
      if (probe !== true) this.refusals.shadow(facts, ctx, check.guard, name, reason)
    }
  }
}
