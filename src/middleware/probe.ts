import type { Context, NextFunction } from 'grammy'
import type { Ask, Decision, Judge, MaybePromise, Plan } from '../core/check.js'
import { isPromise } from '../core/check.js'
import { steadyClock } from '../core/clock.js'
import type { Ms } from '../core/duration.js'
import type { Listener } from '../hooks/events.js'
import type { Wired } from './guard.js'
import type { SentinelEvents } from './house.js'

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
  /** Which guard, such as `auth`; which question, such as `evaluate`; which work, such as `notice`. */
  readonly name: string
  /** Of a guard: `observe`, before anything is decided, or `admit`, its last word. */
  readonly part?: 'observe' | 'admit'
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
  /** Runs an update through the guards, and with `next` through the handlers: around all of it. */
  update?(
    ctx: Context,
    next: NextFunction,
    go: (next: NextFunction) => MaybePromise<void>,
  ): MaybePromise<void>
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

/** Several probes as one, the first outermost, without `this`; undefined for none. */
export function joined(probes: readonly Probe[]): Probe | undefined {
  const [only] = probes
  if (only === undefined) return undefined
  if (probes.length === 1) {
    return {
      ...(only.update !== undefined && { update: only.update.bind(only) }),
      ...(only.step !== undefined && { step: only.step.bind(only) as Required<Probe>['step'] }),
      ...(only.asked !== undefined && { asked: only.asked.bind(only) }),
    }
  }
  const updates = probes.filter((probe) => probe.update !== undefined)
  const steps = probes.filter((probe) => probe.step !== undefined)
  const asked = probes.filter((probe) => probe.asked !== undefined)
  const around = (from: number, ctx: Context, next: NextFunction, go: Go): MaybePromise<void> => {
    const probe = updates[from]
    return probe?.update === undefined
      ? go(next)
      : probe.update(ctx, next, (inner) => around(from + 1, ctx, inner, go))
  }
  const through = <T>(from: number, step: Step, run: () => MaybePromise<T>): MaybePromise<T> => {
    const probe = steps[from]
    return probe?.step === undefined ? run() : probe.step(step, () => through(from + 1, step, run))
  }
  return {
    ...(updates.length > 0 && { update: (ctx, next, go) => around(0, ctx, next, go) }),
    ...(steps.length > 0 && { step: (step, run) => through(0, step, run) }),
    ...(asked.length > 0 && {
      asked(plan, ask, decision, ms) {
        for (const probe of asked) probe.asked?.(plan, ask, decision, ms)
      },
    }),
  }
}

type Go = (next: NextFunction) => MaybePromise<void>

const EVALUATE: Step = { kind: 'storage', name: 'evaluate' }
const SETTLE: Step = { kind: 'storage', name: 'settle' }

/** A judge that is watched; the judge itself where nobody does. */
export function probedJudge(judge: Judge, plan: Plan, probe: Probe | undefined): Judge {
  if (probe?.step === undefined && probe?.asked === undefined) return judge
  const step = <T>(what: Step, run: () => MaybePromise<T>): MaybePromise<T> =>
    probe.step === undefined ? run() : probe.step(what, run)
  return {
    evaluate(ask, at) {
      const started = steadyClock()
      const tell = (decision: Decision): Decision => {
        probe.asked?.(plan, ask, decision, steadyClock() - started)
        return decision
      }
      const decision = step(EVALUATE, () => judge.evaluate(ask, at))
      return isPromise(decision) ? decision.then(tell) : tell(decision)
    },
    peek: (ask, at) => judge.peek(ask, at),
    settle: (receipt, how, check) => step(SETTLE, () => judge.settle(receipt, how, check)),
  }
}

/** What a guard does beside its checks, watched; the same where nobody does. */
export function probedGuard<C extends Context>(
  wired: Wired<C>,
  name: string,
  probe: Probe | undefined,
): Wired<C> {
  const { step } = probe ?? {}
  if (step === undefined || (wired.observe === undefined && wired.admit === undefined)) return wired
  const observing: Step = { kind: 'guard', name, part: 'observe' }
  const admitting: Step = { kind: 'guard', name, part: 'admit' }
  const probed: Wired<C> = {
    ...wired,
    ...(wired.observe !== undefined && {
      observe: (facts, ctx) => step(observing, () => wired.observe?.(facts, ctx)),
    }),
    ...(wired.admit !== undefined && {
      admit: (facts, ctx, shadows) => step(admitting, () => wired.admit?.(facts, ctx, shadows)),
    }),
  }
  return probed
}
