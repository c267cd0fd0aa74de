import type { Context } from 'grammy'
import { isPromise, type MaybePromise } from '../../core/check.js'
import { parseDuration } from '../../core/duration.js'
import type { Facts } from '../../core/facts.js'
import type { Activity } from '../../core/kinds.js'
import { keyText } from '../../core/subject.js'
import { ALLOWED, type Denied, type Verdict } from '../../core/verdict.js'
import { notifiedBy } from '../recent.js'
import type { Services } from '../services.js'
import type { AfterEvent, BeforeEvent } from './hook-points.js'

/** A guard of a chain, as hooks see it. */
export interface GuardStep {
  readonly name: string
  /** The activities that it covers; undefined for all. */
  readonly on: ReadonlySet<Activity> | undefined
  /** True for a guard that takes places, whose hooks run only when a held update is about to be handled. */
  readonly seats: boolean
}

/** A veto by a hook. */
export interface HookVeto {
  readonly hook: string
  readonly note: string
}

const NOTICE_EVERY = parseDuration('1m')

/** Runs the hooks before and after the guards of a chain. Used only if there are hooks. */
export class Steps {
  private readonly guards: readonly (GuardStep & { readonly before: string; readonly after: string })[]
  private readonly firstSeating: number

  constructor(
    private readonly services: Services,
    guards: readonly GuardStep[],
  ) {
    // Guards that take places come last, wherever they are registered.
    const ordered = [...guards.filter(({ seats }) => !seats), ...guards.filter(({ seats }) => seats)]
    this.firstSeating = guards.filter(({ seats }) => !seats).length
    this.guards = ordered.map((guard) => ({
      ...guard,
      before: `before:${guard.name}`,
      after: `after:${guard.name}`,
    }))
  }

  /** Runs all `before:` hooks, guard by guard, until one vetoes. */
  before(facts: Facts, ctx: Context): MaybePromise<HookVeto | undefined> {
    return this.from(0, this.guards.length, facts, ctx, undefined)
  }

  /** Runs the `after:` hooks of an admitted update until one vetoes. With `early`, skips those of guards that take places. */
  after(facts: Facts, ctx: Context, early: boolean): MaybePromise<HookVeto | undefined> {
    return this.from(0, early ? this.firstSeating : this.guards.length, facts, ctx, ALLOWED)
  }

  /** Runs the `after:` hooks that `early` skipped. */
  afterSeating(facts: Facts, ctx: Context): MaybePromise<HookVeto | undefined> {
    return this.from(this.firstSeating, this.guards.length, facts, ctx, ALLOWED)
  }

  /** Runs the `after:` hooks of a refused update, up to the guard that refused; with `seating`, only those that `early` skipped. */
  async refused(facts: Facts, ctx: Context, verdict: Denied, seating: boolean): Promise<void> {
    const last = this.guards.findIndex(({ name }) => name === verdict.guard)
    if (last < 0) return
    // The update is refused in any case: a veto changes nothing, and the next hooks still run.
    for (let i = seating ? this.firstSeating : 0; i <= last; i++)
      await this.from(i, i + 1, facts, ctx, i === last ? verdict : ALLOWED)
  }

  /** Runs the `allowed` hooks, the last before the handlers. */
  allowed(facts: Facts, ctx: Context): MaybePromise<HookVeto | undefined> {
    return this.services.hooks.has('allowed') ? this.decide('allowed', this.eventOf(facts, ctx)) : undefined
  }

  /** Returns whether to notify the actor whom a hook stopped, and notes it: at most once a minute per hook, and once per update. */
  takeNotice({ hook }: HookVeto, facts: Facts, ctx: Context): boolean {
    const { services } = this
    const { shared, steady } = services
    const name = `${ctx.me.id} ${hook} ${facts.actor === undefined ? '' : keyText(facts.actor)}`
    const lately = notifiedBy(services, 'hook', NOTICE_EVERY)
    // Several hooks, each in front of a handler, may stop one update.
    if (shared.notifiedByHooks.has(ctx.update) || !lately.add(name, steady())) return false
    shared.notifiedByHooks.add(ctx.update)
    return true
  }

  private from(
    from: number,
    to: number,
    facts: Facts,
    ctx: Context,
    verdict: Verdict | undefined,
  ): MaybePromise<HookVeto | undefined> {
    for (let i = from; i < to; i++) {
      const guard = this.guards[i] as (typeof this.guards)[number]
      const point = verdict === undefined ? guard.before : guard.after
      if (!this.services.hooks.has(point) || guard.on?.has(facts.activity) === false) continue
      const event = this.eventOf(facts, ctx)
      const after: AfterEvent | undefined = verdict && { ...event, verdict }
      const veto = this.decide(point, after ?? event)
      if (isPromise(veto))
        return veto.then((resolved) => resolved ?? this.from(i + 1, to, facts, ctx, verdict))
      if (veto !== undefined) return veto
    }
  }

  private decide(point: string, event: BeforeEvent): MaybePromise<HookVeto | undefined> {
    return this.services.hooks.decide(point, event, event.enriched as Record<string, unknown>)
  }

  private eventOf(facts: Facts, ctx: Context): BeforeEvent {
    return { facts, ctx, enriched: this.services.hooks.enrichedOf(ctx) }
  }
}
