import type { Context, NextFunction } from 'grammy'
import { type Ask, type Decision, isPromise, type Judge, type MaybePromise } from '../core/check.js'
import { describe, type Facts } from '../core/facts.js'
import { ALLOWED } from '../core/verdict.js'
import { type ControlBack, SentinelControl, type SentinelFlavor } from './control.js'
import { ChainBack } from './control-back.js'
import type { Denial } from './denial.js'
import { levelIn } from './excuses.js'
import { ADMINISTRATOR, type Exemptions } from './exemptions.js'
import type { Foretelling } from './foretelling.js'
import type { Admission, GuardDefinition, Question, Wired } from './guard.js'
import type { House } from './house.js'
import { Names } from './place.js'
import { Preparation } from './preparation.js'
import { type Probe, probedGuard } from './probe.js'
import { Refusals } from './refusals.js'
import { Settling } from './settling.js'
import { type HookVeto, Steps } from './steps.js'
import { newTally, type Tally } from './tally.js'
import { Questions } from './wiring.js'

export { newTally, type Tally }

const NONE: readonly number[] = Object.freeze([])

/** Where a chain stands that is not a sentinel's own. */
export interface Standing {
  readonly place?: string | undefined
  readonly root?: Chain<Context> | undefined
}

/**
 * Several guards run as one: facts are read once, all questions are decided in one call, and what follows is done
 * in order. Nothing it does throws into the bot but what the bot's own handlers throw.
 */
export class Chain<C extends Context> {
  readonly questions: Questions<C>
  /** Decides before updates are parsed, where a webhook does. */
  foretelling: Foretelling | undefined
  readonly prepared: Preparation
  /** The chain of a sentinel; undefined for guards that stand alone. */
  readonly root: Chain<Context> | undefined
  /** Whether that is another, which has let the update in and counted it. */
  readonly inner: boolean
  /** Those that stand in front of single handlers behind this one. */
  private readonly layers = new Set<Chain<Context>>()
  private readonly names = new Names()
  probing: Probe | undefined
  observers: readonly Wired<C>[]
  private admitters: readonly Wired<C>[]
  private readonly diverters: readonly Wired<C>[]
  private readonly settling: Settling
  readonly refusals: Refusals<C>
  private readonly steps: Steps
  private readonly back: ControlBack

  constructor(
    readonly house: House,
    guards: readonly GuardDefinition<C>[],
    readonly name: string,
    readonly exemptions: Exemptions,
    readonly tally: Tally,
    /** Made while an update waits: a storage that throws must not stop it. */
    late = false,
    /** The handler it stands in front of, and the sentinel upstream that has let the update in. */
    { place, root }: Standing = {},
  ) {
    this.root = root ?? (late ? undefined : (this as unknown as Chain<Context>))
    this.inner = root !== undefined
    this.questions = new Questions(house, guards, place)
    this.steps = new Steps(house, this.questions.steps)
    this.refusals = new Refusals(house, tally, this.inner, this.steps)
    this.back = new ChainBack(this)
    const { wired, questions } = this.questions
    this.observers = wired.filter(({ observe }) => observe !== undefined)
    this.admitters = wired.filter(({ admit }) => admit !== undefined)
    this.diverters = wired.filter(({ divert }) => divert !== undefined)
    this.prepared = new Preparation(house, () => this.questions.plan(name), this.failed, late)
    const released = questions.some(({ check }) => check.kind === 'claim' && check.retry === true)
    const leased = questions.some(({ check }) => check.kind === 'claim' && check.lease !== undefined)
    this.settling = new Settling(this.prepared, released, leased, this.failed)
    for (const each of wired) each.begin?.()
  }

  /** Lets a probe see every step; nobody, when undefined. Where nobody does, nothing is in the way of an update. */
  probe(probe: Probe | undefined): void {
    this.probing = probe
    for (const layer of this.layers) layer.probe(probe)
    this.prepared.probe(probe)
    const { names } = this.questions
    const wired = this.questions.wired.map((each, i) => probedGuard(each, names[i] as string, probe))
    this.observers = wired.filter(({ observe }) => observe !== undefined)
    this.admitters = wired.filter(({ admit }) => admit !== undefined)
  }

  /** Update kinds that Telegram must be asked for. */
  get needs(): readonly string[] {
    return [...new Set(this.questions.wired.flatMap(({ needs = [] }) => needs))]
  }

  /** The compiled plan, once the storage has it. */
  ready(): Promise<Judge | undefined> {
    return this.prepared.ready()
  }

  /** The guards of a handler behind this sentinel: its house and its people, a plan of their own. */
  layer(
    guards: readonly GuardDefinition<Context>[],
    name: string,
    place: string | undefined,
  ): Chain<Context> {
    const root = this as unknown as Chain<Context>
    const own = `${this.name}/${this.names.take(name, (told) => this.house.warn('handler.name', told))}`
    const layer = new Chain(this.house, guards, own, this.exemptions, this.tally, true, {
      place,
      root,
    })
    if (this.probing !== undefined) layer.probe(this.probing)
    this.layers.add(layer)
    return layer
  }

  async drain(): Promise<void> {
    for (const layer of this.layers) await layer.drain()
    this.prepared.stop()
    for (const wired of this.questions.wired) await wired.drain?.()
  }

  /** The middleware. Returns nothing when it stops an update at once, else what the handlers return. */
  run(ctx: C, next: NextFunction): MaybePromise<void> {
    const bot = this.house.bots.of(ctx)
    const facts = (this.inner ? known(ctx) : undefined) ?? describe(ctx.update, bot.reading)
    if (this.house.hooks.deciding && facts.kind !== undefined) return this.runHooked(facts, ctx, next)
    for (let i = 0; i < this.observers.length; i++) {
      const observed = this.observe(this.observers[i] as Wired<C>, facts, ctx)
      // Only what somebody listens to takes time; then the rest is seen in order, too.
      if (isPromise(observed)) return this.observeRest(observed, i + 1, facts, ctx, next)
    }
    return this.decide(facts, ctx, next)
  }

  /*
   * What has to wait goes on in a method of its own: a closure in the ordinary way would cost every update the
   * allocation of what it captures, taken or not.
   */

  /** Hooks first. Whatever they say, observers see the update. */
  private async runHooked(facts: Facts, ctx: C, next: NextFunction): Promise<void> {
    const veto = await this.steps.before(facts, ctx)
    for (const observer of this.observers) await this.observe(observer, facts, ctx)
    if (veto !== undefined && !this.isShadow(facts, ctx, veto)) {
      return this.refusals.hooked(facts, ctx, veto)
    }
    await this.decide(facts, ctx, next)
  }

  /** In shadow a hook's veto is told, and stops nothing. */
  private isShadow(facts: Facts, ctx: C, { hook }: HookVeto): boolean {
    if (!this.house.shadow) return false
    this.refusals.shadow(facts, ctx, 'hook', hook, 'vetoed')
    return true
  }

  private async observeRest(
    observed: Promise<void>,
    from: number,
    facts: Facts,
    ctx: C,
    next: NextFunction,
  ): Promise<void> {
    await observed
    for (let i = from; i < this.observers.length; i++) {
      await this.observe(this.observers[i] as Wired<C>, facts, ctx)
    }
    await this.decide(facts, ctx, next)
  }

  private observe(wired: Wired<C>, facts: Facts, ctx: C): MaybePromise<void> {
    try {
      const observed = wired.observe?.(facts, ctx)
      return isPromise(observed) ? this.observing(observed) : undefined
    } catch (error) {
      this.failed(error, 'observe')
    }
  }

  private async observing(observed: Promise<void>): Promise<void> {
    try {
      await observed
    } catch (error) {
      this.failed(error, 'observe')
    }
  }

  private decide(facts: Facts, ctx: C, next: NextFunction): MaybePromise<void> {
    if (facts.kind === undefined) {
      if (!this.inner) {
        this.tally.unknown++
        this.house.events.tell('unknown', { facts, ctx })
      }
      return next()
    }
    const { first } = this.prepared
    if (first !== undefined) return this.consultPrepared(first, facts, ctx, next)
    return this.consult(facts, ctx, next)
  }

  private async consultPrepared(
    preparing: Promise<void>,
    facts: Facts,
    ctx: C,
    next: NextFunction,
  ): Promise<void> {
    await preparing
    await this.consult(facts, ctx, next)
  }

  private consult(
    facts: Facts,
    ctx: C,
    next: NextFunction,
    level = Math.max(this.exemptions.levelOf(facts, ctx.me.id), levelIn(ctx)),
  ): MaybePromise<void> {
    const foretold = this.foretelling?.take(ctx.update)
    if (foretold !== undefined) return this.act(facts, ctx, next, foretold)
    const ask = this.questions.askFor(facts, ctx, ctx.me.id, level, this.failed)
    if (ask === undefined) return this.pass(facts, ctx, next, undefined)
    const { judge } = this.prepared
    if (judge === undefined) {
      this.prepared.retry()
      return this.withoutStorage(ask, facts, ctx, next)
    }
    let decision: MaybePromise<Decision>
    try {
      decision = judge.evaluate(ask, this.house.at())
    } catch (error) {
      this.failed(error, 'storage.evaluate')
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
    ctx: C,
    next: NextFunction,
  ): Promise<void> {
    let decision: Decision
    try {
      decision = await deciding
    } catch (error) {
      this.failed(error, 'storage.evaluate')
      return this.withoutStorage(ask, facts, ctx, next)
    }
    await this.act(facts, ctx, next, decision)
  }

  private act(facts: Facts, ctx: C, next: NextFunction, decision: Decision): MaybePromise<void> {
    if (decision.refusedBy < 0) {
      if (decision.shadowRefusals.length > 0) this.tellShadows(facts, ctx, decision)
      return this.pass(facts, ctx, next, decision)
    }
    return this.refuse(facts, ctx, next, decision)
  }

  private refuse(facts: Facts, ctx: C, next: NextFunction, decision: Decision): MaybePromise<void> {
    const question = this.questions.questions[decision.refusedBy] as Question<C>
    const rescued = this.rescues(question, facts, ctx)
    if (!isPromise(rescued)) return this.rescue(rescued, facts, ctx, next, question, decision)
    return rescued.then((yes) => this.rescue(yes, facts, ctx, next, question, decision))
  }

  private rescues(question: Question<C>, facts: Facts, ctx: C): MaybePromise<boolean> {
    const rescued = question.excused === 'everybody' && this.exemptions.rescues(facts, ctx)
    if (question.rescues === undefined || rescued === true) return rescued
    const own = question.rescues
    return isPromise(rescued) ? rescued.then((yes) => yes || own(facts, ctx)) : own(facts, ctx)
  }

  private rescue(
    rescued: boolean,
    facts: Facts,
    ctx: C,
    next: NextFunction,
    question: Question<C>,
    decision: Decision,
  ): MaybePromise<void> {
    // Asked again for what administrators are asked: the refusal charged nothing, and a duplicate must not pass twice.
    // Where it is `exempt()` that lets off, the questions know it by now, each for itself.
    if (rescued)
      return this.consult(facts, ctx, next, question.rescues === undefined ? ADMINISTRATOR : undefined)
    this.tellShadows(facts, ctx, decision)
    this.foretelling?.refused(facts, ctx, decision)
    return this.refusals.stop(facts, ctx, question, decision)
  }

  private pass(facts: Facts, ctx: C, next: NextFunction, decision: Decision | undefined): MaybePromise<void> {
    return this.admitters.length === 0
      ? this.enter(facts, ctx, next, decision, undefined)
      : this.admit(0, undefined, facts, ctx, next, decision)
  }

  /** Asks the guards that have the last word, from one on; synchronously as long as they answer so. */
  private admit(
    from: number,
    identity: unknown,
    facts: Facts,
    ctx: C,
    next: NextFunction,
    decision: Decision | undefined,
  ): MaybePromise<void> {
    const wired = this.admitters[from]
    if (wired === undefined) return this.enter(facts, ctx, next, decision, identity)
    const go = (admission: Admission | undefined): MaybePromise<void> => {
      if (admission?.veto !== undefined) {
        if (wired.shadow !== true) return this.veto(admission, facts, ctx, decision, wired.denial)
        const { guard, limit } = admission.by ?? { guard: 'auth', limit: 'resolver' }
        this.refusals.shadow(facts, ctx, guard, limit, admission.veto)
      }
      return this.admit(from + 1, admission?.identity ?? identity, facts, ctx, next, decision)
    }
    let admission: MaybePromise<Admission | undefined>
    try {
      admission = wired.admit?.(facts, ctx, decision?.shadowRefusals ?? NONE)
    } catch (error) {
      admission = this.notAdmitted(error)
    }
    if (!isPromise(admission)) return go(admission)
    return admission.catch((error) => this.notAdmitted(error)).then(go)
  }

  private notAdmitted(error: unknown): Admission {
    this.failed(error, 'admit')
    return { veto: 'unavailable' }
  }

  private veto(
    { veto = 'vetoed', note, by }: Admission,
    facts: Facts,
    ctx: C,
    decision: Decision | undefined,
    denial: Denial<C> | undefined,
  ): MaybePromise<void> {
    // What was vetoed was not handled: the same update may come again, and pays no second time.
    this.settling.settle(decision, 'release')
    if (by === undefined) return this.refusals.deny(facts, ctx, veto, 'auth', note, denial)
    // As if a limit of the plan had refused: then nothing is charged.
    this.settling.settle(decision, 'refund')
    return this.refusals.veto(facts, ctx, veto, by, denial)
  }

  private async enterHooked(
    facts: Facts,
    ctx: C,
    next: NextFunction,
    decision: Decision | undefined,
    identity: unknown,
  ): Promise<void> {
    let veto = await this.steps.after(facts, ctx)
    // What a sentinel has let in is let in once.
    if (!this.inner) veto ??= await this.steps.allowed(facts, ctx)
    if (veto === undefined || this.isShadow(facts, ctx, veto)) {
      return this.letIn(facts, ctx, next, decision, identity)
    }
    this.settling.settle(decision, 'release')
    this.settling.settle(decision, 'refund')
    return this.refusals.hooked(facts, ctx, veto)
  }

  private enter(
    facts: Facts,
    ctx: C,
    next: NextFunction,
    decision: Decision | undefined,
    identity: unknown,
  ): MaybePromise<void> {
    return this.house.hooks.deciding
      ? this.enterHooked(facts, ctx, next, decision, identity)
      : this.letIn(facts, ctx, next, decision, identity)
  }

  /** Lets the update in, and sees how its handlers end. */
  private letIn(
    facts: Facts,
    ctx: C,
    next: NextFunction,
    decision: Decision | undefined,
    identity: unknown,
  ): MaybePromise<void> {
    const flavored = ctx as C & Partial<SentinelFlavor>
    const control = new SentinelControl(facts, ctx, ALLOWED, decision, this.back, flavored.sentinel)
    control.identity = identity
    flavored.sentinel = control
    // What a sentinel has let in is let in once.
    if (!this.inner) {
      this.tally.allowed++
      if (this.house.events.wanted('allowed')) this.house.events.tell('allowed', { facts, ctx })
    }
    for (let i = 0; i < this.diverters.length; i++) {
      if (this.diverters[i]?.divert?.(facts, ctx, next, control) === true) {
        this.settling.settle(decision, 'complete')
        return
      }
    }
    return this.settling.run(next, decision)
  }

  /** The storage threw, and nothing around it decides in its place. What is `local` finds an empty memory. */
  private withoutStorage(ask: Ask, facts: Facts, ctx: C, next: NextFunction): MaybePromise<void> {
    const closed = this.questions.questions.find(
      ({ check }, index) =>
        check.shadow !== true &&
        // Where no marks are known, nobody holds one.
        (check.whenDown === 'closed' || (check.whenDown !== 'open' && check.kind === 'present')) &&
        (ask.costs[index] as number) > 0 &&
        ask.subjects[check.subject] !== undefined,
    )
    if (closed === undefined) return this.pass(facts, ctx, next, undefined)
    return this.refusals.deny(facts, ctx, 'unavailable', closed.check.guard, undefined, 'silent')
  }

  private tellShadows(facts: Facts, ctx: C, { shadowRefusals }: Decision): void {
    for (let i = 0; i < shadowRefusals.length; i++) {
      const { check, name, probe, reason } = this.questions.questions[
        shadowRefusals[i] as number
      ] as Question<C>
      if (probe !== true) this.refusals.shadow(facts, ctx, check.guard, name, reason)
    }
  }

  readonly failed = (error: unknown, during: string): void => {
    this.house.events.tell('error', { error, during })
  }
}

/** The facts of an update as a guard further up has read them. */
function known(ctx: Context & Partial<SentinelFlavor>): Facts | undefined {
  const { sentinel } = ctx
  return sentinel !== undefined && sentinel.ctx === ctx ? sentinel.facts : undefined
}
