import type { Context, NextFunction } from 'grammy'
import type { Ask, Decision, Judge, MaybePromise, Plan } from '../../core/check.js'
import { isPromise } from '../../core/check.js'
import { steadyClock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Listener } from '../../hooks/events.js'
import type { SentinelEvents } from '../events.js'

/**
 * A step of handling an update that takes time of its own.
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
   * `guard`: what a guard does besides its checks; `storage`: a request to the storage; `hook`: a function of yours;
   * `background`: work that no update waits for.
   */
  readonly kind: 'guard' | 'storage' | 'hook' | 'background'
  /**
   * The name of the guard, such as `auth`; of the request, such as `evaluate`; or of the work, such as `notice`, or `held`: the
   * steps between a burst's time to be handled and its handlers, or another update's wait for a place of `concurrency`.
   */
  readonly name: string
  /** For a guard: `observe`, before anything is decided, or `admit`, its last word. */
  readonly part?: 'observe' | 'admit'
  /** For `held`: the context it belongs to, since the step of a burst runs from a timer after `update` has ended. */
  readonly ctx?: Context
}

/**
 * Watches a sentinel at work; metrics and traces are probes. Pass it to {@link Sentinel.probe}. All members are optional, and
 * members that no probe has cost nothing.
 *
 * A probe is trusted: it must call the functions it is given exactly once, return or pass on their results, and never throw
 * exceptions of its own.
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
  /** While true, only `update` is called. */
  readonly idle?: boolean
  /** Wraps the whole handling of an update: `go` runs the guards and, through `next`, the handlers. */
  update?(
    ctx: Context,
    next: NextFunction,
    go: (ctx: Context, next: NextFunction) => MaybePromise<void>,
  ): MaybePromise<void>
  /**
   * Wraps the handlers of a further branch of a fork. `update` is called once for an update, on the branch that reaches the
   * sentinel first.
   */
  branch?(ctx: Context, next: NextFunction): NextFunction
  /**
   * Called if a webhook refused an update before parsing it: `update` is not called for it, only events report it. If a probe has
   * `update` but not `unread`, every update is parsed, so that the probe sees it.
   */
  unread?(): void
  /** Wraps one step. */
  step?<T>(step: Step, run: () => MaybePromise<T>): MaybePromise<T>
  /** Called with what was asked for an update, the decision, and the time it took in milliseconds. */
  asked?(plan: Plan, ask: Ask, decision: Decision, ms: Ms): void
  /**
   * Listeners like those of `guard.on()`, but passive: failures and warnings without other listeners are still written to the
   * console.
   */
  readonly events?: { readonly [E in keyof SentinelEvents]?: Listener<SentinelEvents[E]> }
}

type Go = Parameters<Required<Probe>['update']>[2]

/** Joins several probes into one, the first outermost; undefined for none. */
export function joined(probes: readonly Probe[]): Probe | undefined {
  if (probes.length <= 1) return probes[0]
  const updates = probes.filter((probe) => probe.update !== undefined)
  const steps = probes.filter((probe) => probe.step !== undefined)
  const asked = probes.filter((probe) => probe.asked !== undefined)
  const branches = probes.filter((probe) => probe.branch !== undefined)
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
    ...(branches.length > 0 && {
      branch: (ctx, next) =>
        branches.reduceRight((inner, probe) => probe.branch?.(ctx, inner) ?? inner, next),
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

/** Returns a judge whose calls a probe sees; the judge itself if the probe does not watch them. */
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

/** Runs a step through a probe. */
export function stepped<T>(
  probe: Probe | undefined,
  step: Step,
  run: () => MaybePromise<T>,
): MaybePromise<T> {
  return probe?.step === undefined || probe.idle === true ? run() : probe.step(step, run)
}
