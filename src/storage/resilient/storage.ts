import { isPromise, type Judge, type MaybePromise, type Plan } from '../../core/check.js'
import type { Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { isLoading } from '../../core/request-bound.js'
import type { Key } from '../../core/subject.js'
import type { Archive } from '../contract/archive.js'
import type { ChangeListener, StorageChange } from '../contract/changes.js'
import {
  type CircuitHealth,
  type ConditionListener,
  isObservable,
  type Observable,
  type StorageCondition,
} from '../contract/condition.js'
import { Listeners } from '../contract/listeners.js'
import { checkPlan } from '../contract/plan.js'
import { type SessionStorage, type SessionsOptions, sessionsOver } from '../contract/sessions.js'
import type { Storage } from '../contract/storage.js'
import type { Users } from '../contract/users.js'
import type { Values } from '../contract/values.js'
import { inBackground } from '../shared/in-background.js'
import { StorageWatch } from '../shared/storage-watch.js'
import { watchInTime } from '../shared/watch-in-time.js'
import { FallbackMarks } from './fallback-marks.js'
import { guardedArchive, guardedUsers, guardedValues } from './guarded.js'
import { ResilientJudge, type ResilientShared } from './judge.js'
import { ResilientMarks } from './marks.js'
import { marksOf, planWhenDown } from './plan.js'
import { isAlike, unlessLoading } from './plans.js'
import { causeOf, isOfTheCaller } from './reason.js'
import { SupervisedStorage, type Supervision } from './supervised.js'

/** When to try again to watch a storage. */
const WATCH_AGAIN: Ms = 30_000

/** The warning that a storage has lost all marks. */
function emptied(kind: string, marks: number): StorageCondition {
  return {
    is: 'warning',
    code: 'storage.emptied',
    message: `the storage (${kind}) came back without ${marks} marks (blocks, roles and the like) that it had. If nobody removed them, it has lost its data: restore it, or guard.import() what guard.export() has saved.`,
  }
}

/** The parts of a {@link ResilientStorage}. Spans in milliseconds. */
interface ResilientParts extends Supervision {
  readonly firstTimeout: Ms
  readonly fallback: Storage
  /** Whether the fallback is closed with the storage. */
  readonly ownsFallback: boolean
  readonly maxMarks: number
}

/** The storage made by `resilient()`. */
export class ResilientStorage extends SupervisedStorage implements Storage, Observable {
  readonly remote: boolean
  readonly marks: ResilientMarks
  readonly users: Users
  readonly values: Values
  private readonly fallback: Storage
  private readonly ownsFallback: boolean
  private readonly timers: Timers
  private readonly copy: FallbackMarks
  private readonly shared: ResilientShared
  private readonly changes = new Listeners<StorageChange>()
  private readonly conditions = new Listeners<StorageCondition>()
  /** By plan name. */
  private readonly latest = new Map<string, ResilientJudge>()
  private introduced = false
  private readonly innerWatch: StorageWatch
  /** Why the storage no longer reports changes. */
  private lost: SentinelError | undefined
  private unobserve: (() => void) | undefined
  private callOffWatch: (() => void) | undefined
  private closing: Promise<void> | undefined

  constructor(inner: Storage, options: ResilientParts) {
    super(inner, { ...options, servesReads: true })
    const { clock, timers } = options
    this.remote = inner.remote ?? false
    this.timers = timers
    this.ownsFallback = options.ownsFallback
    this.fallback = options.fallback
    this.copy = new FallbackMarks({
      from: inner.marks,
      to: this.fallback.marks,
      most: options.maxMarks,
      clock,
      steady: options.steady,
      timers,
      isUp: () => this.isUp,
      bounded: (work) => this.line.try(work, true),
      isQueued: (bot, name, key) => this.queued.has(bot, name, key),
      emptied: (marks) => this.tell(emptied(this.kind, marks)),
      failed: (error) => this.failed(error, 'storage.copy'),
    })
    this.shared = {
      line: this.line,
      settlements: this.settlements,
      queued: this.queued,
      clock,
      met: (bot) => {
        this.copy.meet(bot)
        this.attend()
      },
      counts: { instead: 0 },
    }
    this.marks = new ResilientMarks({
      line: this.line,
      remote: inner.marks,
      local: this.fallback.marks,
      copy: this.copy,
      queued: this.queued,
      clock,
    })
    this.users = guardedUsers(this.line, inner.users)
    this.values = guardedValues(this.line, inner.values)
    this.innerWatch = new StorageWatch((listener) => watchInTime(inner.watch(listener), timers), {
      heard: (change) => this.heard(change),
      // Marks read before this may have changed since.
      begun: (lost) => this.heard({ kind: 'gap', lost }),
      failed: (error) => this.unwatchable(error),
    })
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
    const judge = new ResilientJudge(plan, local, this.shared)
    const former = this.latest.get(plan.name)
    // Until the storage has compiled the new plan, the judge of the former one keeps deciding.
    if (former?.remote !== undefined && isAlike(former.plan, plan)) judge.take(former.remote)
    if (!this.isUp) {
      this.plans.add(judge)
      this.follow(judge, down)
      return judge
    }
    let prepared: MaybePromise<Judge>
    try {
      prepared = this.storage.prepare(plan)
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
      if (isLoading()) return unlessLoading(Promise.reject(error))
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

  get archive(): Archive | undefined {
    return guardedArchive(this.line, this.storage)
  }

  sessions<T>(options?: SessionsOptions<T>): SessionStorage<T> {
    return sessionsOver(this.values, options, this.clock)
  }

  /** Reports changes, and a gap whenever the storage is back. */
  watch(listener: ChangeListener): () => void {
    this.innerWatch.start()
    const stop = this.changes.add(listener)
    if (this.lost !== undefined) listener({ kind: 'gap', lost: this.lost })
    return stop
  }

  /** Reports when the storage goes down and comes back. */
  observe(listener: ConditionListener): () => void {
    return this.conditions.add(listener)
  }

  reset(bot: number, key: Key, slot?: string): MaybePromise<void> {
    const local = this.fallback.reset(bot, key, slot)
    const work = (): MaybePromise<void> => this.storage.reset(bot, key, slot)
    const reset = this.line.demand('reset', work, true)
    return isPromise(local) ? Promise.all([local, reset]).then(() => undefined) : reset
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
    if (this.queued.size + this.settlements.size > 0 && this.isUp) await this.flush()
    const lost = this.halt()
    this.copy.stop()
    this.callOffWatch?.()
    this.innerWatch.stop()
    this.unobserve?.()
    this.changes.clear()
    if (lost === 0) return
    throw new SentinelError(
      'storage.unavailable',
      `close: the storage did not answer (${this.line.circuit.reason}), and ${lost} marks that were put or deleted meanwhile were never written.`,
    )
  }

  private async end(): Promise<void> {
    const released = this.release()
    // Everything is released even if a part fails; lost marks are the first error to be thrown.
    const ended = await Promise.allSettled([
      released,
      released.catch(() => undefined).then(() => (this.ownsFallback ? this.fallback.close() : undefined)),
      released.catch(() => undefined).then(() => this.closeInTime()),
    ])
    this.conditions.clear()
    this.line.stop()
    for (const each of ended) if (each.status === 'rejected') throw each.reason
  }

  protected override circuitHealth(): CircuitHealth {
    const { copy, shared } = this
    return {
      ...super.circuitHealth(),
      instead: shared.counts.instead,
      copy: { marks: copy.size, complete: copy.complete },
    }
  }

  /** Starts copying the marks that the plan reads. */
  private follow(judge: ResilientJudge, down: Plan): void {
    const former = this.latest.get(judge.plan.name)
    if (former !== undefined) former.superseded = true
    this.latest.set(judge.plan.name, judge)
    this.copy.follow(marksOf(down))
    this.innerWatch.start()
    if (this.introduced || isLoading()) return
    this.introduced = true
    void this.learnKind()
  }

  /** Learns the storage's kind, for reports when it is down. Never rejects; on failure the kind stays `unknown`. */
  private async learnKind(): Promise<void> {
    if (!this.isUp) return
    try {
      const { ok, kind } = await this.line.try(() => this.storage.health(), true)
      this.kind = kind
      if (ok) this.line.answered()
    } catch (error) {
      this.line.circuit.noted(error)
    }
  }

  /** The storage refuses to be watched, or fails. It is asked again later. */
  private unwatchable(error: unknown): void {
    // Says nothing about the storage, which is watched again with the first request.
    if (isLoading()) return
    this.line.circuit.noted(error)
    const isNews = this.lost === undefined
    this.lost = causeOf(error) ?? this.line.unavailable('watch', error)
    if (!isNews) return
    this.copy.doubt()
    this.unwatched()
    this.report({ kind: 'gap', lost: this.lost })
  }

  /** Changes are not reported, so everything is read again from time to time. */
  private unwatched(): void {
    this.callOffWatch?.()
    if (this.stopped) return
    this.callOffWatch = this.timers.after(WATCH_AGAIN, () => {
      this.innerWatch.start()
      this.heard({ kind: 'gap', lost: this.lost })
      if (this.lost !== undefined) this.unwatched()
    })
  }

  private heard(change: StorageChange): void {
    if (change.kind === 'gap') {
      const { lost } = change
      // A storage that cannot be watched is read again and again, which says nothing new.
      if (lost === undefined || lost !== this.lost) this.copy.doubt()
      if (lost === undefined) {
        this.callOffWatch?.()
        this.line.circuit.mended(this.lost)
      } else if (lost !== this.lost) {
        this.line.circuit.noted(lost)
        this.unwatched()
      }
      this.lost = lost
      this.copy.refresh()
    } else if (change.kind === 'marks') this.copy.stale(change.bot, change.name, change.keys)
    else this.aside(() => this.fallback.reset(change.bot, change.key, change.slot), 'storage.reset')
    this.report(change)
  }

  private report(change: StorageChange): void {
    try {
      this.changes.tell(change)
    } catch (error) {
      this.failed(error, 'storage.watch')
    }
  }

  protected override switched(): void {
    if (!this.isUp) {
      this.copy.doubt()
      return
    }
    this.innerWatch.start()
    this.aside(() => this.recover(), 'storage.recovery')
  }

  /** Write the queued marks first, so that the copy is not read without them. */
  private async recover(): Promise<void> {
    await this.flush()
    this.heard({ kind: 'gap', lost: this.lost })
  }

  protected override written(bot: number, name: string, keys: readonly Key[]): void {
    this.copy.stale(bot, name, keys)
  }

  private async closeInTime(): Promise<void> {
    try {
      await this.line.try(() => this.storage.close(), true)
    } catch (error) {
      throw this.line.unavailable('close', error)
    }
  }

  private aside(work: () => MaybePromise<unknown>, during: string): void {
    inBackground(work, (error) => this.failed(error, during))
  }

  protected override failed(error: unknown, during: string): void {
    this.tell({ is: 'failed', error, during })
  }

  protected override tell(condition: StorageCondition): void {
    this.conditions.tell(condition)
  }
}
