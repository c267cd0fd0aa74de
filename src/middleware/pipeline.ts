import type { Context, NextFunction } from 'grammy'
import type { Ask, Decision, Judge, MaybePromise } from '../core/check.js'
import { describe, type Facts } from '../core/facts.js'
import { ALLOWED, type DenialReason, type Denied } from '../core/verdict.js'
import {
  type ControlBack,
  type DenyOptions,
  type LimitView,
  SentinelControl,
  type SentinelFlavor,
} from './control.js'
import type { Exemptions } from './exemptions.js'
import type { Admission, GuardDefinition, Question, Wired } from './guard.js'
import type { House } from './house.js'
import { Questions } from './wiring.js'

/**
 * How many updates went which way in this process, since it was made.
 *
 * @example
 * ```ts
 * import { sentinel, type Tally } from 'grammy-sentinel'
 *
 * const shareDenied = ({ allowed, denied }: Tally) => denied / Math.max(1, allowed + denied)
 * console.log(shareDenied((await sentinel().health()).tally))
 * ```
 */
export interface Tally {
  allowed: number
  denied: number
  /** Of a kind this version does not know: passed, undecided. */
  unknown: number
  /** Would have been stopped by a limit in shadow. */
  shadow: number
  /** By guard and reason, such as `throttle.limited`. */
  readonly denials: Map<string, number>
}

const NONE: readonly number[] = Object.freeze([])

/** Nothing counted yet. */
export function newTally(): Tally {
  return { allowed: 0, denied: 0, unknown: 0, shadow: 0, denials: new Map() }
}

/**
 * Several guards run as one: facts are read once, all questions are decided in one call, and what follows is done
 * in order. Nothing it does throws into the bot but what the bot's own handlers throw.
 */
export class Chain<C extends Context> implements ControlBack {
  readonly questions: Questions<C>
  private judge: Judge | undefined
  private preparing: Promise<void> | undefined
  private readonly observers: readonly Wired<C>[]
  private readonly admitters: readonly Wired<C>[]
  private readonly diverters: readonly Wired<C>[]
  private readonly released: boolean
  private readonly leased: boolean

  constructor(
    readonly house: House,
    guards: readonly GuardDefinition<C>[],
    name: string,
    private readonly exemptions: Exemptions,
    readonly tally: Tally,
  ) {
    this.questions = new Questions(house, guards)
    const { wired, questions } = this.questions
    this.observers = wired.filter(({ observe }) => observe !== undefined)
    this.admitters = wired.filter(({ admit }) => admit !== undefined)
    this.diverters = wired.filter(({ divert }) => divert !== undefined)
    this.released = questions.some(({ check }) => check.kind === 'claim' && check.retry === true)
    this.leased = questions.some(({ check }) => check.kind === 'claim' && check.lease !== undefined)
    const prepared = house.storage.prepare(this.questions.plan(name))
    if (isPromise(prepared)) {
      this.preparing = prepared.then(
        (judge) => {
          this.judge = judge
        },
        (error) => this.failed(error, 'storage.prepare'),
      )
    } else this.judge = prepared
  }

  /** Update kinds that Telegram must be asked for. */
  get needs(): readonly string[] {
    return [...new Set(this.questions.wired.flatMap(({ needs = [] }) => needs))]
  }

  /** The compiled plan, once the storage has it. */
  async ready(): Promise<Judge | undefined> {
    await this.preparing
    return this.judge
  }

  async drain(): Promise<void> {
    for (const wired of this.questions.wired) await wired.drain?.()
  }

  /** The middleware. Returns nothing when it stops an update at once, else what the handlers return. */
  run(ctx: C, next: NextFunction): MaybePromise<void> {
    const bot = this.house.bots.of(ctx)
    const facts = describe(ctx.update, bot.reading)
    for (let i = 0; i < this.observers.length; i++) {
      const observed = this.observe(this.observers[i] as Wired<C>, facts, ctx)
      // Only what somebody listens to takes time; then the rest is seen in order, too.
      if (isPromise(observed)) return observed.then(() => this.observeRest(i + 1, facts, ctx, next))
    }
    return this.decide(facts, ctx, next)
  }

  private async observeRest(from: number, facts: Facts, ctx: C, next: NextFunction): Promise<void> {
    for (let i = from; i < this.observers.length; i++) {
      await this.observe(this.observers[i] as Wired<C>, facts, ctx)
    }
    await this.decide(facts, ctx, next)
  }

  private observe(wired: Wired<C>, facts: Facts, ctx: C): MaybePromise<void> {
    try {
      const observed = wired.observe?.(facts, ctx)
      return isPromise(observed) ? observed.catch((error) => this.failed(error, 'observe')) : undefined
    } catch (error) {
      this.failed(error, 'observe')
    }
  }

  private decide(facts: Facts, ctx: C, next: NextFunction): MaybePromise<void> {
    if (facts.kind === undefined) {
      this.tally.unknown++
      this.house.events.tell('unknown', { facts, ctx })
      return next()
    }
    const { judge } = this
    if (judge === undefined) {
      if (this.preparing === undefined) return this.withoutStorage(undefined, facts, ctx, next)
      return this.preparing.then(() => {
        if (this.judge === undefined) this.preparing = undefined
        return this.decide(facts, ctx, next)
      })
    }
    const ask = this.questions.askFor(
      facts,
      ctx,
      ctx.me.id,
      this.exemptions.levelOf(facts, ctx.me.id),
      this.failed,
    )
    if (ask === undefined) return this.pass(facts, ctx, next, undefined)
    let decision: MaybePromise<Decision>
    try {
      decision = judge.evaluate(ask, this.house.clock())
    } catch (error) {
      this.failed(error, 'storage.evaluate')
      return this.withoutStorage(ask, facts, ctx, next)
    }
    if (!isPromise(decision)) return this.act(facts, ctx, next, decision)
    return decision.then(
      (decided) => this.act(facts, ctx, next, decided),
      (error) => {
        this.failed(error, 'storage.evaluate')
        return this.withoutStorage(ask, facts, ctx, next)
      },
    )
  }

  private act(facts: Facts, ctx: C, next: NextFunction, decision: Decision): MaybePromise<void> {
    if (decision.shadowRefusals.length > 0) this.tellShadows(facts, ctx, decision)
    if (decision.refusedBy < 0) return this.pass(facts, ctx, next, decision)
    const question = this.questions.questions[decision.refusedBy] as Question<C>
    if (question.excused === 'everybody') {
      const rescued = this.exemptions.rescues(facts, ctx)
      if (isPromise(rescued)) {
        return rescued.then((yes) =>
          yes ? this.pass(facts, ctx, next, undefined) : this.stop(facts, ctx, question, decision),
        )
      }
      if (rescued) return this.pass(facts, ctx, next, undefined)
    }
    this.stop(facts, ctx, question, decision)
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
      if (admission?.veto !== undefined) return this.veto(admission, facts, ctx, decision)
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

  private veto(admission: Admission, facts: Facts, ctx: C, decision: Decision | undefined): void {
    // What was vetoed was not handled: the same update may come again, and pays no second time.
    this.settle(decision, 'release')
    this.deny(facts, ctx, admission.veto ?? 'vetoed', 'auth', admission.note)
  }

  /** Lets the update in, and sees how its handlers end. */
  private enter(
    facts: Facts,
    ctx: C,
    next: NextFunction,
    decision: Decision | undefined,
    identity: unknown,
  ): MaybePromise<void> {
    const flavored = ctx as C & Partial<SentinelFlavor>
    const control = new SentinelControl(facts, ctx, ALLOWED, decision, this, flavored.sentinel)
    control.identity = identity
    flavored.sentinel = control
    this.tally.allowed++
    if (this.house.events.heard('allowed')) this.house.events.tell('allowed', { facts, ctx })
    for (let i = 0; i < this.diverters.length; i++) {
      if (this.diverters[i]?.divert?.(facts, ctx, next, control) === true) {
        this.settle(decision, 'complete')
        return
      }
    }
    const handled = next()
    if (!this.released && !this.leased) return handled
    // Not returned: whoever waits for the handlers waits for them alone.
    handled.then(this.leased ? () => this.settle(decision, 'complete') : undefined, () =>
      this.settle(decision, 'release'),
    )
    return handled
  }

  private settle(decision: Decision | undefined, how: 'complete' | 'release'): void {
    if (decision?.receipt === undefined || (how === 'complete' && !this.leased)) return
    try {
      const settled = this.judge?.settle(decision.receipt, how)
      if (isPromise(settled)) settled.catch((error) => this.failed(error, 'storage.settle'))
    } catch (error) {
      this.failed(error, 'storage.settle')
    }
  }

  /** What a refusal by a question is called. */
  verdictOf(question: Question<C>, decision: Decision): Denied {
    return {
      allowed: false,
      guard: question.check.guard,
      limit: question.name,
      reason: decision.cause === 'penalty' ? 'penalised' : question.reason,
      cause: decision.cause,
      retryAfterMs: decision.retryAfterMs,
    }
  }

  private stop(facts: Facts, ctx: C, question: Question<C>, decision: Decision): void {
    const verdict = this.verdictOf(question, decision)
    this.count(verdict)
    this.house.events.tell('denied', { facts, ctx, verdict })
    this.house.notices.answer(ctx, facts, verdict, question.denial, decision.notice)
  }

  private deny(
    facts: Facts,
    ctx: C,
    reason: DenialReason,
    guard: string,
    note?: string,
    notice = true,
  ): void {
    const verdict: Denied = {
      allowed: false,
      guard,
      limit: '',
      reason,
      cause: 'check',
      retryAfterMs: Number.POSITIVE_INFINITY,
      note,
    }
    this.count(verdict)
    this.house.events.tell('denied', { facts, ctx, verdict })
    this.house.notices.answer(ctx, facts, verdict, notice ? 'notice' : 'silent', notice)
  }

  /** The storage failed. Limits open, so that the bot stays up; whatever lets only some people in stays closed. */
  private withoutStorage(ask: Ask | undefined, facts: Facts, ctx: C, next: NextFunction): MaybePromise<void> {
    const closed = this.questions.questions.some(
      ({ check, on }, index) =>
        check.kind === 'present' &&
        (ask === undefined ? on.includes(facts.activity) : (ask.costs[index] as number) > 0),
    )
    if (!closed) return this.pass(facts, ctx, next, undefined)
    this.deny(facts, ctx, 'unavailable', 'auth', undefined, false)
  }

  private tellShadows(facts: Facts, ctx: C, decision: Decision): void {
    for (const index of decision.shadowRefusals) {
      const { check, name, probe } = this.questions.questions[index] as Question<C>
      if (probe === true) continue
      this.tally.shadow++
      this.house.events.tell('shadow', { facts, ctx, guard: check.guard, limit: name })
    }
  }

  private count(verdict: Denied): void {
    const { denials } = this.tally
    const name = `${verdict.guard}.${verdict.reason}`
    this.tally.denied++
    denials.set(name, (denials.get(name) ?? 0) + 1)
  }

  limitsOf(decision: Decision): readonly LimitView[] {
    const { remaining } = decision
    return this.questions.questions.flatMap(({ check, name }, index) => {
      const left = remaining[index] as number
      return Number.isNaN(left) ? [] : [{ guard: check.guard, name, remaining: left }]
    })
  }

  refund(decision: Decision, limit: string | undefined): MaybePromise<void> {
    const { judge } = this
    const { receipt } = decision
    if (judge === undefined || receipt === undefined) return
    if (limit === undefined) return judge.settle(receipt, 'refund')
    const index = this.questions.questions.findIndex(({ name }) => name === limit)
    if (index >= 0) return judge.settle(receipt, 'refund', index)
  }

  async denyLater(control: SentinelControl, options: DenyOptions): Promise<void> {
    if (!control.verdict.allowed) return
    const { facts } = control
    control.decide({
      allowed: false,
      guard: 'handler',
      limit: '',
      reason: 'denied',
      cause: 'check',
      retryAfterMs: Number.POSITIVE_INFINITY,
      note: options.note,
    })
    this.tally.allowed--
    this.deny(facts, control.ctx as C, 'denied', 'handler', options.note, options.notice ?? true)
    if (options.refund === true) await control.refund()
  }

  private readonly failed = (error: unknown, during: string): void => {
    this.house.events.tell('error', { error, during })
  }
}

export function isPromise<T>(value: MaybePromise<T> | undefined): value is Promise<T> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  )
}
