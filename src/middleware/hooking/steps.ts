import type { Context } from 'grammy'
import { isPromise, type MaybePromise } from '../../core/check.js'
import { parseDuration } from '../../core/duration.js'
import type { Facts } from '../../core/facts.js'
import type { Activity } from '../../core/kinds.js'
import { keyText } from '../../core/subject.js'
import { ALLOWED, type Denied, type Verdict } from '../../core/verdict.js'
import type { House } from '../house.js'
import { Recent } from '../recent.js'
import type { AfterEvent, BeforeEvent } from './hook-points.js'

/** A guard of a chain, as hooks know it. */
export interface GuardStep {
  readonly name: string
  /** Updates that it is for; undefined: all. */
  readonly on: ReadonlySet<Activity> | undefined
  /** It counts who is at work, and is heard when the update's time has come. */
  readonly late: boolean
}

/** A hook has said no. */
export interface HookVeto {
  readonly hook: string
  readonly note: string
}

const NOTICE_EVERY = parseDuration('1m')

/** Runs the hooks before and after the guards of a chain. Asked only where there are any. */
export class Steps {
  private readonly guards: readonly (GuardStep & { readonly before: string; readonly after: string })[]
  private readonly firstLate: number
  private readonly noticed = new Recent<true>(NOTICE_EVERY)

  constructor(
    private readonly house: House,
    guards: readonly GuardStep[],
  ) {
    // Heard last, wherever they stand.
    const ordered = [...guards.filter(({ late }) => !late), ...guards.filter(({ late }) => late)]
    this.firstLate = guards.filter(({ late }) => !late).length
    this.guards = ordered.map((guard) => ({
      ...guard,
      before: `before:${guard.name}`,
      after: `after:${guard.name}`,
    }))
  }

  /** All befores, guard by guard, until one says no. */
  before(facts: Facts, ctx: Context): MaybePromise<HookVeto | undefined> {
    return this.from(0, this.guards.length, facts, ctx, undefined)
  }

  /** All afters of an update that was let pass, until one says no. `early`: those that are not heard yet are left out. */
  after(facts: Facts, ctx: Context, early: boolean): MaybePromise<HookVeto | undefined> {
    return this.from(0, early ? this.firstLate : this.guards.length, facts, ctx, ALLOWED)
  }

  /** The afters that were left out. */
  afterLate(facts: Facts, ctx: Context): MaybePromise<HookVeto | undefined> {
    return this.from(this.firstLate, this.guards.length, facts, ctx, ALLOWED)
  }

  /** The afters of an update that was refused, up to the guard that did. */
  async refused(facts: Facts, ctx: Context, verdict: Denied, late: boolean): Promise<void> {
    const last = this.guards.findIndex(({ name }) => name === verdict.guard)
    if (last < 0) return
    // It is refused anyway: that a hook says no, too, changes nothing, and those that follow are told all the same.
    for (let i = late ? this.firstLate : 0; i <= last; i++)
      await this.from(i, i + 1, facts, ctx, i === last ? verdict : ALLOWED)
  }

  /** The last that are asked before the handlers. */
  allowed(facts: Facts, ctx: Context): MaybePromise<HookVeto | undefined> {
    return this.house.hooks.has('allowed') ? this.decide('allowed', this.told(facts, ctx)) : undefined
  }

  /** Whether whoever is stopped by a hook is to be told: once a minute by each. */
  isNotice({ hook }: HookVeto, facts: Facts): boolean {
    const now = this.house.clock()
    const name = `${hook} ${facts.actor === undefined ? '' : keyText(facts.actor)}`
    if (this.noticed.get(name, now) !== undefined) return false
    this.noticed.set(name, true, now)
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
      if (!this.house.hooks.has(point) || guard.on?.has(facts.activity) === false) continue
      const told = this.told(facts, ctx)
      const after: AfterEvent | undefined = verdict && { ...told, verdict }
      const veto = this.decide(point, after ?? told)
      if (isPromise(veto)) return veto.then((late) => late ?? this.from(i + 1, to, facts, ctx, verdict))
      if (veto !== undefined) return veto
    }
  }

  private decide(point: string, told: BeforeEvent): MaybePromise<HookVeto | undefined> {
    return this.house.hooks.decide(point, told, told.enriched as Record<string, unknown>)
  }

  private told(facts: Facts, ctx: Context): BeforeEvent {
    return { facts, ctx, enriched: this.house.hooks.enrichedOf(ctx) }
  }
}
