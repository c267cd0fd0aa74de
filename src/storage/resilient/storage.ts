import type { IBreaker } from 'cockatiel'
import { isPromise, type Judge, type MaybePromise, type Plan } from '../../core/check.js'
import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { SharedTimer } from '../../core/request-bound.js'
import type { Key } from '../../core/subject.js'
import type { Archive } from '../archive.js'
import { type ChangeListener, ChangeListeners, type StorageChange } from '../changes.js'
import {
  type CircuitHealth,
  type CircuitState,
  type ConditionListener,
  isObservable,
  type Observable,
  type StorageCondition,
} from '../condition.js'
import { checkPlan } from '../plan.js'
import { type SessionStorage, type SessionsOptions, sessionsOver } from '../sessions.js'
import type { Storage, StorageHealth } from '../storage.js'
import type { Users } from '../users.js'
import type { Values } from '../values.js'
import { MarksCopy } from './copy.js'
import { guardedUsers, guardedValues } from './guarded.js'
import { type Bench, ResilientJudge } from './judge.js'
import { Line } from './line.js'
import { ResilientMarks } from './marks.js'
import { PendingMarks } from './pending.js'
import { marksOf, planWhenDown } from './plan.js'
import { isAlike, Plans } from './plans.js'
import { isOfTheCaller } from './reason.js'
import { Settlements } from './settlements.js'
import { proveWell } from './well.js'

/** When to retry queued writes while the storage is up, after a late answer or a single failure. */
const FLUSH_AFTER: Ms = 200
/** When to try again to watch a storage. */
const WATCH_AGAIN: Ms = 30_000

/** The parts of a {@link ResilientStorage}. Spans in milliseconds. */
export interface ResilientParts {
  readonly timeout: Ms
  readonly firstTimeout: Ms
  readonly breaker: IBreaker
  readonly fallback: Storage
  /** Whether the fallback is closed with the storage. */
  readonly ownsFallback: boolean
  readonly spacing: Ms
  readonly maxMarks: number
  readonly clock: Clock
  readonly steady: Clock
  readonly timers: Timers
}

/** The storage made by `resilient()`. */
export class ResilientStorage implements Storage, Observable {
  readonly remote: boolean
  /** `unknown` until the storage is first reached, unless the storage names its kind. */
  kind: string
  readonly marks: ResilientMarks
  readonly users: Users
  readonly values: Values
  private readonly line: Line
  private readonly fallback: Storage
  private readonly ownsFallback: boolean
  private readonly clock: Clock
  private readonly timers: Timers
  private readonly copy: MarksCopy
  private readonly bench: Bench
  private readonly pending = new PendingMarks(() => this.flushSoon())
  private readonly settlements = new Settlements(() => this.flushSoon())
  private readonly changes = new ChangeListeners()
  private readonly conditions = new Set<{ readonly tell: ConditionListener }>()
  private readonly plans: Plans
  /** By plan name. */
  private readonly latest = new Map<string, ResilientJudge>()
  private introduced = false
  private downSince: Ms | undefined
  private watched: 'no' | 'soon' | 'yes' = 'no'
  private unwatch: (() => void) | undefined
  private unobserve: (() => void) | undefined
  private readonly flushing: SharedTimer
  private callOffWatch: (() => void) | undefined
  private stopped = false
  private closing: Promise<void> | undefined

  constructor(
    private readonly inner: Storage,
    options: ResilientParts,
  ) {
    const { clock, timers } = options
    this.remote = inner.remote ?? false
    this.kind = inner.kind ?? 'unknown'
    this.clock = clock
    this.timers = timers
    this.flushing = new SharedTimer(options.steady, timers)
    this.ownsFallback = options.ownsFallback
    this.fallback = options.fallback
    this.line = new Line({
      ...options,
      remote: this.remote,
      probe: () => this.probe(),
      changed: (state) => this.changed(state),
    })
    this.plans = new Plans({
      storage: inner,
      line: this.line,
      steady: options.steady,
      timers,
      failed: (error) => this.failed(error, 'storage.prepare'),
    })
    this.copy = new MarksCopy({
      from: inner.marks,
      to: this.fallback.marks,
      most: options.maxMarks,
      steady: options.steady,
      timers,
      isUp: () => this.line.circuit.state === 'closed',
      bounded: (work) => this.line.try(work, true),
      isPending: (bot, name, key) => this.pending.has(bot, name, key),
      failed: (error) => this.failed(error, 'storage.copy'),
    })
    this.bench = {
      line: this.line,
      settlements: this.settlements,
      pending: this.pending,
      clock,
      met: (bot) => {
        this.copy.meet(bot)
        this.plans.attend()
        if (this.flushing.isLost) this.flushSoon()
      },
      counts: { instead: 0 },
    }
    this.marks = new ResilientMarks({
      line: this.line,
      remote: inner.marks,
      local: this.fallback.marks,
      copy: this.copy,
      pending: this.pending,
      clock,
    })
    this.users = guardedUsers(this.line, inner.users)
    this.values = guardedValues(this.line, inner.values)
    if (isObservable(inner)) this.unobserve = inner.observe((condition) => this.tell(condition))
  }

  prepare(plan: Plan): MaybePromise<Judge> {
    if (this.closing !== undefined) {
      throw new SentinelError('storage.closed', 'resilient: closed. Make a new one with resilient().')
    }
    checkPlan(plan)
    const down = planWhenDown(plan)
    const local = this.fallback.prepare(down)
    if (isPromise(local)) return local.then((judge) => this.prepareWith(plan, down, judge))
    return this.prepareWith(plan, down, local)
  }

  private prepareWith(plan: Plan, down: Plan, local: Judge): MaybePromise<Judge> {
    const judge = new ResilientJudge(plan, local, this.bench)
    const former = this.latest.get(plan.name)
    // Until the storage has compiled the new plan, the judge of the former one keeps deciding.
    if (former?.remote !== undefined && isAlike(former.plan, plan)) judge.take(former.remote)
    if (this.line.circuit.state !== 'closed') {
      this.plans.add(judge)
      this.follow(judge, down)
      return judge
    }
    let prepared: MaybePromise<Judge>
    try {
      prepared = this.inner.prepare(plan)
    } catch (error) {
      // Using a closed storage is an error of the caller.
      if (error instanceof SentinelError && error.code === 'storage.closed') throw error
      // When a later plan is given, updates already depend on the sentinel, so its error is reported rather than thrown.
      const isLate = former === undefined && this.latest.size > 0
      if (isOfTheCaller(error) && !isLate) throw error
      if (isOfTheCaller(error)) {
        this.plans.refused(error)
        return judge
      }
      this.follow(judge, down)
      this.plans.missed(judge, error)
      return judge
    }
    // A synchronous local storage needs no protection.
    if (!isPromise(prepared) && !this.remote) return prepared
    const decides = judge.remote !== undefined
    this.follow(judge, down)
    if (isPromise(prepared)) return this.plans.taking(judge, prepared, decides).then(() => judge)
    this.plans.took(judge, prepared)
    return judge
  }

  /** Not protected: archive calls may take long, and nothing could replace their answers. */
  get archive(): Archive | undefined {
    return this.inner.archive
  }

  sessions<T>(options?: SessionsOptions<T>): SessionStorage<T> {
    return sessionsOver(this.values, options, this.clock)
  }

  /** Reports changes, and a gap whenever the storage is back. */
  watch(listener: ChangeListener): () => void {
    this.watchInner()
    return this.changes.add(listener)
  }

  /** Reports when the storage goes down and comes back. */
  observe(listener: ConditionListener): () => void {
    const listening = { tell: listener }
    this.conditions.add(listening)
    return () => {
      this.conditions.delete(listening)
    }
  }

  reset(bot: number, key: Key, slot?: string): MaybePromise<void> {
    const local = this.fallback.reset(bot, key, slot)
    const work = (): MaybePromise<void> => this.inner.reset(bot, key, slot)
    const reset = this.line.demand('reset', work, true)
    return isPromise(local) ? Promise.all([local, reset]).then(() => undefined) : reset
  }

  /** Never rejects. A storage that does not answer is not `ok`. */
  async health(): Promise<StorageHealth> {
    let health: StorageHealth = { ok: false, kind: this.kind }
    await this.line.look()
    if (this.line.circuit.state !== 'open') {
      try {
        health = await this.line.try(() => this.inner.health(), true)
        this.kind = health.kind
      } catch (error) {
        this.line.circuit.noted(error)
        this.failed(error, 'storage.health')
      }
    }
    const { state } = this.line.circuit
    return { ...health, ok: health.ok && state === 'closed', circuit: this.circuit() }
  }

  /**
   * Releases everything and closes the storage, after waiting a limited time for queued writes.
   *
   * @throws SentinelError `storage.unavailable` if marks could not be written; they are lost.
   */
  close(): Promise<void> {
    this.closing ??= this.end()
    return this.closing
  }

  /** Releases everything except the storage, which belongs to the caller. */
  async release(): Promise<void> {
    if (this.pending.size + this.settlements.size > 0 && this.line.circuit.state === 'closed') {
      await this.flush()
    }
    this.stopped = true
    this.copy.stop()
    this.plans.stop()
    this.flushing.off()
    this.callOffWatch?.()
    this.unwatch?.()
    this.unobserve?.()
    this.changes.clear()
    this.settlements.clear()
    this.line.stop()
    const lost = this.pending.clear()
    if (lost === 0) return
    throw new SentinelError(
      'storage.unavailable',
      `close: the storage did not answer (${this.line.circuit.reason}), and ${lost} marks that were put or taken away meanwhile were never written.`,
    )
  }

  private async end(): Promise<void> {
    const released = this.release()
    // Everything is released even if a part fails; lost marks are the first error to be thrown.
    const ended = await Promise.allSettled([
      released,
      released.catch(() => undefined).then(() => (this.ownsFallback ? this.fallback.close() : undefined)),
      released.catch(() => undefined).then(() => this.inTime('close', () => this.inner.close())),
    ])
    this.conditions.clear()
    this.line.stop()
    for (const each of ended) if (each.status === 'rejected') throw each.reason
  }

  private circuit(): CircuitHealth {
    const { state, since, reason, told, outages } = this.line.circuit
    const { pending, settlements, copy } = this
    return {
      state,
      since,
      ...(reason === '' ? {} : told),
      outages,
      instead: this.bench.counts.instead,
      late: this.line.late,
      waiting: { marks: pending.size, settlements: settlements.size },
      dropped: { marks: pending.dropped, settlements: settlements.dropped },
      copy: { marks: copy.size, complete: copy.complete },
    }
  }

  /** Starts copying the marks that the plan reads. */
  private follow(judge: ResilientJudge, down: Plan): void {
    const former = this.latest.get(judge.plan.name)
    if (former !== undefined) former.superseded = true
    this.latest.set(judge.plan.name, judge)
    this.copy.follow(marksOf(down))
    this.watchInner()
    if (this.introduced) return
    this.introduced = true
    void this.learnKind()
  }

  /** Learns the storage's kind, for reports when it is down. Never rejects; on failure the kind stays `unknown`. */
  private async learnKind(): Promise<void> {
    if (this.line.circuit.state !== 'closed') return
    try {
      const { ok, kind } = await this.line.try(() => this.inner.health(), true)
      this.kind = kind
      if (ok) this.line.answered()
    } catch (error) {
      this.line.circuit.noted(error)
    }
  }

  /** Watches the storage once; tries again later if that fails. */
  private watchInner(): void {
    if (this.watched !== 'no' || this.stopped) return
    this.watched = 'soon'
    const watching = (unwatch: () => void): void => {
      this.watched = 'yes'
      this.unwatch = unwatch
      if (this.stopped) unwatch()
      // Marks read before this may have changed since.
      else this.heard({ kind: 'gap' })
    }
    const failed = (error: unknown): void => {
      this.watched = 'no'
      this.line.circuit.noted(error)
      if (this.stopped) return
      // Changes are not reported, so everything is read again from time to time.
      this.callOffWatch?.()
      this.callOffWatch = this.timers.after(WATCH_AGAIN, () => {
        this.watchInner()
        this.copy.refresh()
      })
    }
    try {
      const unwatch = this.inner.watch((change) => this.heard(change))
      if (isPromise(unwatch)) unwatch.then(watching, failed)
      else watching(unwatch)
    } catch (error) {
      failed(error)
    }
  }

  private heard(change: StorageChange): void {
    if (change.kind === 'gap') this.copy.refresh()
    else if (change.kind === 'marks') this.copy.stale(change.bot, change.name, change.keys)
    else this.aside(() => this.fallback.reset(change.bot, change.key, change.slot), 'storage.reset')
    try {
      this.changes.tell(change)
    } catch (error) {
      this.failed(error, 'storage.watch')
    }
  }

  /** Checks whether the storage is back: it must report itself well and compile the waiting plans. */
  private async probe(): Promise<void> {
    this.kind = await proveWell(this.inner, this.clock)
    await this.plans.probe()
  }

  private changed(state: CircuitState): void {
    if (state === 'open' && this.downSince === undefined) {
      this.downSince = this.clock()
      this.tell({ is: 'down', kind: this.kind, ...this.line.circuit.told })
    } else if (state === 'closed' && this.downSince !== undefined) {
      const after = this.clock() - this.downSince
      this.downSince = undefined
      this.watchInner()
      this.aside(() => this.recover(), 'storage.recovery')
      this.tell({ is: 'up', kind: this.kind, after })
    }
  }

  /** Write the queued marks first, so that the copy is not read without them. */
  private async recover(): Promise<void> {
    await this.flush()
    this.heard({ kind: 'gap' })
  }

  private flushSoon(): void {
    if ((this.flushing.isSet && !this.flushing.isLost) || this.stopped) return
    this.flushing.set(FLUSH_AFTER, () => {
      // While the storage is down nothing can be sent; everything is sent when it is back.
      if (this.line.circuit.state !== 'closed') return
      this.aside(() => this.flush(), 'storage.recovery')
    })
  }

  /** Sends all queued writes. Never rejects; those that fail stay queued. */
  private async flush(): Promise<void> {
    await this.pending.replay({
      marks: this.inner.marks,
      bounded: (work) => this.line.try(work, true),
      written: (bot, name, keys) => this.copy.stale(bot, name, keys),
      refused: (error) => this.failed(error, 'storage.recovery'),
    })
    await this.settlements.replay((work) => this.line.try(async () => work(), true))
    if (this.pending.size + this.settlements.size > 0) this.flushSoon()
  }

  private async inTime(what: string, work: () => MaybePromise<void>): Promise<void> {
    try {
      await this.line.try(work, true)
    } catch (error) {
      throw this.line.unavailable(what, error)
    }
  }

  private aside(work: () => MaybePromise<unknown>, during: string): void {
    try {
      const done = work()
      if (isPromise(done)) done.catch((error) => this.failed(error, during))
    } catch (error) {
      this.failed(error, during)
    }
  }

  private failed(error: unknown, during: string): void {
    this.tell({ is: 'failed', error, during })
  }

  private tell(condition: StorageCondition): void {
    for (const { tell } of this.conditions) tell(condition)
  }
}
