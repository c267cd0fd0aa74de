import type { Context, NextFunction } from 'grammy'
import type { Ask, Decision, Judge, MaybePromise, Plan } from '../../core/check.js'
import { isPromise } from '../../core/check.js'
import { steadyClock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Listener } from '../../hooks/events.js'
import type { SentinelEvents } from '../events.js'
import type { Wired } from '../guard.js'

/**
 * A step on the way of an update that takes time of its own.
 *
 * @example
 * ```ts
 * import type { Step } from 'grammy-sentinel'
 *
 * const nameOf = ({ kind, name, part }: Step): string => [kind, name, part].filter(Boolean).join(' ')
 * ```
 */
export interface Step {
  /**
   * `guard`: what a guard does beside its checks; `storage`: a question to the storage; `hook`: a function of yours;
   * `background`: what no update waits for.
   */
  readonly kind: 'guard' | 'storage' | 'hook' | 'background'
  /**
   * Which guard, such as `auth`; which question, such as `evaluate`; which work, such as `notice`, or `held`: what comes before the
   * handlers of a burst when its time has come.
   */
  readonly name: string
  /** Of a guard: `observe`, before anything is decided, or `admit`, its last word. */
  readonly part?: 'observe' | 'admit'
  /** Of what was held back: the update that it belongs to, for that is through by then, and a timer runs it. */
  readonly ctx?: Context
}

/**
 * Watches a sentinel at work: what metrics and traces are made of. Hand it to {@link Sentinel.probe}. All parts are optional, and
 * what nobody watches costs nothing.
 *
 * A probe is trusted: it must call what it is given to call exactly once, return or pass on what that returns, and throw
 * nothing of its own.
 *
 * @example
 * ```ts
 * import { type Probe, sentinel } from 'grammy-sentinel'
 *
 * const slow: Probe = {
 *   asked(_plan, _ask, decision, ms) {
 *     if (ms > 100) console.warn(`the storage took ${ms} ms`, decision.refusedBy)
 *   },
 * }
 * const stop = sentinel().probe(slow)
 * stop()
 * ```
 */
export interface Probe {
  /** While it is true nothing but `update` is told. */
  readonly idle?: boolean
  /** Runs an update through the guards, and with `next` through the handlers: around all of it. */
  update?(
    ctx: Context,
    next: NextFunction,
    go: (ctx: Context, next: NextFunction) => MaybePromise<void>,
  ): MaybePromise<void>
  /**
   * An update was refused by a webhook before it was parsed: `update` is not run around it, events tell of it. Where a probe has
   * `update` and not this, every update is parsed, to be seen.
   */
  unread?(): void
  /** Runs one step. */
  step?<T>(step: Step, run: () => MaybePromise<T>): MaybePromise<T>
  /** Told what was asked for an update, what was decided, and how long that took, in milliseconds. */
  asked?(plan: Plan, ask: Ask, decision: Decision, ms: Ms): void
  /**
   * Told what happens, as a listener of `guard.on()` is, but as a bystander: failures and warnings that nobody else listens
   * to are still said on the console.
   */
  readonly events?: { readonly [E in keyof SentinelEvents]?: Listener<SentinelEvents[E]> }
}

type Go = Parameters<Required<Probe>['update']>[2]

/** Several probes as one, the first outermost; undefined for none. */
export function joined(probes: readonly Probe[]): Probe | undefined {
  if (probes.length <= 1) return probes[0]
  const updates = probes.filter((probe) => probe.update !== undefined)
  const steps = probes.filter((probe) => probe.step !== undefined)
  const asked = probes.filter((probe) => probe.asked !== undefined)
  const around = (from: number, ctx: Context, next: NextFunction, go: Go): MaybePromise<void> => {
    const probe = updates[from]
    return probe?.update === undefined
      ? go(ctx, next)
      : probe.update(ctx, next, (_, inner) => around(from + 1, ctx, inner, go))
  }
  const through = <T>(from: number, step: Step, run: () => MaybePromise<T>): MaybePromise<T> => {
    const probe = steps[from]
    if (probe?.step === undefined) return run()
    const go = (): MaybePromise<T> => through(from + 1, step, run)
    return probe.idle === true ? go() : probe.step(step, go)
  }
  return {
    get idle() {
      return probes.every((probe) => probe.idle === true)
    },
    ...(updates.length > 0 && { update: (ctx, next, go) => around(0, ctx, next, go) }),
    ...(updates.every(({ unread }) => unread !== undefined) && {
      unread: () => {
        for (const probe of updates) probe.unread?.()
      },
    }),
    ...(steps.length > 0 && { step: (step, run) => through(0, step, run) }),
    ...(asked.length > 0 && {
      asked(plan, ask, decision, ms) {
        for (const probe of asked) if (probe.idle !== true) probe.asked?.(plan, ask, decision, ms)
      },
    }),
  }
}

const EVALUATE: Step = { kind: 'storage', name: 'evaluate' }
const SETTLE: Step = { kind: 'storage', name: 'settle' }

/** A judge that is watched; the judge itself where nobody does. */
export function probedJudge(judge: Judge, plan: Plan, probe: Probe | undefined): Judge {
  if (probe?.step === undefined && probe?.asked === undefined) return judge
  return {
    evaluate: (ask, at) =>
      probe.idle === true ? judge.evaluate(ask, at) : evaluated(judge, plan, probe, ask, at),
    peek: (ask, at) => judge.peek(ask, at),
    settle: (receipt, how, check) => stepped(probe, SETTLE, () => judge.settle(receipt, how, check)),
  }
}

function evaluated(
  judge: Judge,
  plan: Plan,
  probe: Probe,
  ask: Ask,
  at: Ms | undefined,
): MaybePromise<Decision> {
  const started = steadyClock()
  const tell = (decision: Decision): Decision => {
    probe.asked?.(plan, ask, decision, steadyClock() - started)
    return decision
  }
  const decision = stepped(probe, EVALUATE, () => judge.evaluate(ask, at))
  return isPromise(decision) ? decision.then(tell) : tell(decision)
}

/** Runs a step as a probe likes it. */
export function stepped<T>(
  probe: Probe | undefined,
  step: Step,
  run: () => MaybePromise<T>,
): MaybePromise<T> {
  return probe?.step === undefined || probe.idle === true ? run() : probe.step(step, run)
}

/** What a guard does beside its checks, watched; the same where nobody does. */
export function probedGuard<C extends Context>(
  wired: Wired<C>,
  name: string,
  probe: Probe | undefined,
): Wired<C> {
  if (probe?.step === undefined || (wired.observe === undefined && wired.admit === undefined)) return wired
  const observing: Step = { kind: 'guard', name, part: 'observe' }
  const admitting: Step = { kind: 'guard', name, part: 'admit' }
  return {
    ...wired,
    ...(wired.observe !== undefined && {
      observe: (facts, ctx) =>
        // An update that the guard does not observe gives no step.
        probe.idle === true || wired.observes?.includes(facts.activity) === false
          ? wired.observe?.(facts, ctx)
          : stepped(probe, observing, () => wired.observe?.(facts, ctx)),
    }),
    ...(wired.admit !== undefined && {
      admit: (facts, ctx, shadows) =>
        probe.idle === true
          ? wired.admit?.(facts, ctx, shadows)
          : stepped(probe, admitting, () => wired.admit?.(facts, ctx, shadows)),
    }),
  }
}
