import type { Context } from 'grammy'
import { isPromise, type Plan } from '../../core/check.js'
import { type Clock, steadyClock } from '../../core/clock.js'
import type { Probe, Step } from '../../middleware/chain/probe.js'
import { waitOf } from '../../middleware/concurrency/waits.js'
import type { SentinelHealth } from '../health/data.js'
import type { Observed } from '../observed.js'
import type { MetricName } from './catalogue.js'
import type { Sample, Source } from './exposition.js'
import { healthSamples } from './health-samples.js'
import { Counts, type Distribution, Distributions } from './series.js'

/** Counts and times what one sentinel does. Prometheus reads the values from here. */
export class Metering implements Source {
  private readonly kinds = new Map<string, Counts>()
  private readonly shadows = new Counts(['guard', 'reason', 'kind'])
  private readonly handlerDenials = new Counts(['guard', 'reason', 'kind'])
  private readonly verdictTimes = new Distributions(['verdict'])
  private readonly guardTimes = new Distributions(['guard', 'step'])
  private readonly planTimes = new WeakMap<Plan, readonly Distribution[]>()
  private readonly storageTimes = new Distributions(['operation', 'outcome'])
  private readonly hookTimes = new Distributions(['hook', 'outcome'])
  private readonly backgroundTimes = new Distributions(['work', 'outcome'])
  private readonly transitions = new Counts(['transition'])
  private readonly marks = new Counts(['event'])
  private readonly errors = new Counts(['during'])
  private readonly warnings = new Counts(['code'])
  private readonly allowedTime: Distribution = this.verdictTimes.of('allowed')
  private readonly deniedTime: Distribution = this.verdictTimes.of('denied')
  /** The property of a context that holds the time of its arrival; NaN after its verdict. */
  private readonly arrival = Symbol('arrival')
  private lastUpdateAt: number | undefined
  /** Decisions of this sentinel made without its storage. Counted here, because other sentinels may share the storage. */
  private alone = 0
  private asking: Promise<SentinelHealth> | undefined
  private last: SentinelHealth | undefined
  private readonly stop: () => void

  constructor(
    readonly name: string,
    private readonly guard: Pick<Observed, 'probe' | 'health'>,
    private readonly clock: Clock,
  ) {
    this.stop = guard.probe(this.probe())
  }

  close(): void {
    this.stop()
  }

  private probe(): Probe {
    const { arrival } = this
    return {
      update: (ctx, next, go) => {
        this.lastUpdateAt = this.clock()
        ;(ctx as Arrived)[arrival] = steadyClock()
        return go(ctx, next)
      },
      unread: () => {
        this.lastUpdateAt = this.clock()
      },
      step: (step, run) => this.timed(step, run),
      asked: (plan, { costs }, { alone }, ms) => {
        if (alone === true) this.alone++
        const times = this.timesOf(plan)
        let last: Distribution | undefined
        for (let i = 0; i < times.length; i++) {
          const guard = times[i] as Distribution
          // The checks of one guard are adjacent and count as one.
          if (costs[i] === 0 || guard === last) continue
          last = guard
          guard.observe(ms / 1000)
        }
      },
      events: {
        allowed: ({ facts, ctx }) => {
          this.decided(ctx, this.allowedTime)
          this.countsOf(facts.kind).add('allowed')
        },
        denied: ({ facts, ctx, verdict, wasAllowed, isFirst }) => {
          // The update was counted as allowed, or as unknown, and a counter never falls.
          if (wasAllowed || facts.kind === undefined) {
            if (isFirst) this.handlerDenials.add(verdict.guard, verdict.reason, facts.kind ?? 'unknown')
            return
          }
          this.decided(ctx, this.deniedTime)
          this.countsOf(facts.kind).add('denied', verdict.guard, verdict.reason)
        },
        unknown: () => this.countsOf('unknown').add('unknown'),
        shadow: ({ facts, verdict: { guard, reason } }) => this.shadows.add(guard, reason, facts.kind),
        membership: ({ event }) => this.transitions.add(event),
        blocked: () => this.marks.add('blocked'),
        unblocked: () => this.marks.add('unblocked'),
        registered: () => this.marks.add('registered'),
        unregistered: () => this.marks.add('unregistered'),
        suspected: () => this.marks.add('suspected'),
        'hook.ran': ({ name, point, ms, outcome }) =>
          this.hookTimes.of(`${point} ${name}`, outcome).observe(ms / 1000),
        error: ({ during }) => this.errors.add(during),
        warning: ({ code }) => this.warnings.add(code),
      },
    }
  }

  /** Returns the distribution for each check; looked up once for each plan rather than for each update. */
  private timesOf(plan: Plan): readonly Distribution[] {
    let times = this.planTimes.get(plan)
    if (times === undefined) {
      times = plan.checks.map(({ guard }) => this.guardTimes.of(guard, 'check'))
      this.planTimes.set(plan, times)
    }
    return times
  }

  private countsOf(kind: string | undefined = 'unknown'): Counts {
    let counts = this.kinds.get(kind)
    if (counts === undefined) {
      counts = new Counts(['verdict', 'guard', 'reason'])
      this.kinds.set(kind, counts)
    }
    return counts
  }

  /**
   * Records the time until the first verdict of an update; a handler may still deny it later. The wait for a free place is
   * subtracted, as it depends on the handlers of other updates.
   */
  private decided(ctx: Context, times: Distribution): void {
    const arrived = (ctx as Arrived)[this.arrival]
    if (arrived === undefined || Number.isNaN(arrived)) return
    times.observe(Math.max(0, steadyClock() - arrived - waitOf(ctx)) / 1000)
    ;(ctx as Arrived)[this.arrival] = Number.NaN
  }

  private timed<T>(step: Step, run: () => T | Promise<T>): T | Promise<T> {
    const started = steadyClock()
    let result: T | Promise<T>
    try {
      result = run()
    } catch (error) {
      this.took(step, 'failed', started)
      throw error
    }
    if (!isPromise(result)) {
      this.took(step, 'ok', started)
      return result
    }
    return result.then(
      (value) => {
        this.took(step, 'ok', started)
        return value
      },
      (error) => {
        this.took(step, 'failed', started)
        throw error
      },
    )
  }

  private took({ kind, name, part }: Step, outcome: string, started: number): void {
    const seconds = (steadyClock() - started) / 1000
    if (kind === 'guard') this.guardTimes.of(name, part).observe(seconds)
    else if (kind === 'storage') this.storageTimes.of(name, outcome).observe(seconds)
    else if (kind === 'background') this.backgroundTimes.of(name, outcome).observe(seconds)
    // Hooks report their outcome in the event `hook.ran`, in more detail.
  }

  async samples(metric: MetricName): Promise<Iterable<Sample>> {
    switch (metric) {
      case 'sentinel_verdicts_total':
        return this.verdictSamples()
      case 'sentinel_shadow_verdicts_total':
        return this.shadows.samples()
      case 'sentinel_handler_denials_total':
        return this.handlerDenials.samples()
      case 'sentinel_verdict_duration_seconds':
        return this.verdictTimes.samples()
      case 'sentinel_guard_duration_seconds':
        return this.guardTimes.samples()
      case 'sentinel_storage_duration_seconds':
        return this.storageTimes.samples()
      case 'sentinel_hook_duration_seconds':
        return this.hookTimes.samples()
      case 'sentinel_background_duration_seconds':
        return this.backgroundTimes.samples()
      case 'sentinel_membership_transitions_total':
        return this.transitions.samples()
      case 'sentinel_marks_total':
        return this.marks.samples()
      case 'sentinel_errors_total':
        return this.errors.samples()
      case 'sentinel_warnings_total':
        return this.warnings.samples()
      case 'sentinel_storage_fallback_decisions_total':
        return this.aloneSamples(await this.health())
      case 'sentinel_last_update_timestamp_seconds':
        return this.lastUpdateAt === undefined ? [] : [[{}, this.lastUpdateAt / 1000]]
      default:
        return healthSamples(metric, await this.health())
    }
  }

  private *verdictSamples(): Generator<Sample> {
    for (const [kind, counts] of this.kinds) {
      for (const [labels, value] of counts.samples()) yield [{ ...labels, kind }, value]
    }
  }

  private aloneSamples({ storage: { kind, circuit } }: SentinelHealth): Sample[] {
    return circuit === undefined && this.alone === 0 ? [] : [[{ storage: kind }, this.alone]]
  }

  /** Reads the health once for all metrics of a scrape. Values that an unavailable storage does not report keep their last value. */
  private health(): Promise<SentinelHealth> {
    this.asking ??= this.guard.health().then((health) => {
      this.asking = undefined
      const { storage } = health
      const last = this.last?.storage
      const kind = storage.kind === 'unknown' && last !== undefined ? last.kind : storage.kind
      this.last = { ...health, storage: { ...last, ...storage, kind } }
      return this.last
    })
    return this.asking
  }
}

type Arrived = Context & { [arrival: symbol]: number | undefined }
