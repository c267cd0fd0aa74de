import type { Judge, MaybePromise, Plan, Receipt } from '../../core/check.js'
import { type Clock, localClock, type Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { endsWithin } from '../../core/in-time.js'
import type { Key } from '../../core/subject.js'
import type { Archive } from '../contract/archive.js'
import type { ChangeListener, StorageChange } from '../contract/changes.js'
import {
  type ConditionListener,
  isObservable,
  type Observable,
  type StorageCondition,
} from '../contract/condition.js'
import { Listeners } from '../contract/listeners.js'
import { checkPlan } from '../contract/plan.js'
import type { SessionStorage, SessionsOptions } from '../contract/sessions.js'
import type { HybridHealth, Marks, Storage, StorageHealth } from '../contract/storage.js'
import type { Users } from '../contract/users.js'
import type { Values } from '../contract/values.js'
import { inBackground } from '../shared/in-background.js'
import { StorageWatch } from '../shared/storage-watch.js'
import { whenOver, writesThrough } from '../shared/writes-through.js'
import { type Announcement, announced, isAnnouncement, NOBODY, slotOf } from './announcements.js'
import { HybridJudge } from './judge.js'
import { leasedPlan } from './leased-plan.js'
import { type LeaseOptions, Leasing } from './leasing.js'
import { RefusalMemory } from './refusals.js'
import type { HybridShared } from './shared.js'
import { ToldTime } from './time.js'

/** The parts of a {@link HybridStorage}. Spans in milliseconds. */
interface HybridParts {
  readonly local: Storage
  readonly ownsLocal: boolean
  readonly remote: Storage
  readonly maxRefusals: number
  readonly longest: Ms
  readonly lease: LeaseOptions | undefined
  readonly clock: Clock | undefined
  readonly timers: Timers
}

/** How long to wait before trying to watch again. */
const WATCH_AGAIN: Ms = 1000
/**
 * The same for a storage that reports no changes, or a user without the right to receive them: each attempt costs a connection,
 * and an event with the error.
 */
const WATCH_REFUSED_AGAIN: Ms = 30_000
/** How long closing waits for units to be given back. */
const GIVE_BACK_WITHIN: Ms = 2000

/** The storage made by `hybrid()`. */
export class HybridStorage implements Storage, Observable {
  readonly remote = true
  readonly kind: string | undefined
  readonly marks: Marks
  readonly users: Users
  readonly values: Values
  private readonly inner: Storage
  private readonly shared: HybridShared & { isWatching: boolean }
  private readonly judges = new Map<string, HybridJudge>()
  private readonly times = new Map<string, ToldTime>()
  private readonly leasing = new Map<string, Leasing>()
  /** Leases of earlier plans that are still being given back. */
  private readonly retired = new Set<Promise<void>>()
  private readonly conditions = new Listeners<StorageCondition>()
  private readonly innerWatch: StorageWatch
  private callOffWatch: (() => void) | undefined
  private unobserve: (() => void) | undefined
  private closing: Promise<void> | undefined

  constructor(private readonly parts: HybridParts) {
    const { remote, clock, timers, longest, maxRefusals } = parts
    this.inner = remote
    this.kind = remote.kind
    this.users = remote.users
    this.values = remote.values
    this.marks = writesThrough(remote.marks, (write, bot, keys) =>
      around(() => this.forget(bot, keys), write),
    )
    const shared = {
      memory: new RefusalMemory(maxRefusals),
      plans: new WeakMap<Receipt, Plan>(),
      counts: { answered: 0, trips: 0, leased: 0, returned: 0 },
      clock,
      steady: localClock(clock),
      timers,
      longest,
      isWatching: false,
      announce: (bot: number, announcement: Announcement) => remote.reset(bot, NOBODY, slotOf(announcement)),
      aside: (during: string, work: () => MaybePromise<unknown>) => this.aside(during, work),
    }
    this.shared = shared
    this.innerWatch = new StorageWatch((listener) => remote.watch(listener), {
      heard: (change) => this.changed(change),
      // Refusals remembered before this may be outdated.
      begun: (lost) => this.changed({ kind: 'gap', lost }),
      failed: (error) => this.unwatchable(error),
    })
    if (isObservable(remote)) this.unobserve = remote.observe((condition) => this.conditions.tell(condition))
  }

  /** Errors in the plan are thrown synchronously, where a guard is created. */
  prepare(plan: Plan): Promise<Judge> {
    this.refuseClosed()
    checkPlan(plan)
    const { lease } = this.parts
    const leased = lease === undefined ? undefined : leasedPlan(plan, lease)
    // Not awaited: until changes are reported, refusals are remembered only briefly.
    this.innerWatch.start()
    return this.prepareWith(plan, leased, lease)
  }

  private async prepareWith(
    plan: Plan,
    leased: Plan | undefined,
    lease: LeaseOptions | undefined,
  ): Promise<Judge> {
    const judge = await this.inner.prepare(leased ?? plan)
    this.refuseClosed()
    let time = this.times.get(plan.name)
    if (time === undefined) {
      time = new ToldTime()
      this.times.set(plan.name, time)
    }
    const before = this.leasing.get(plan.name)
    const leasing =
      lease === undefined || leased === undefined
        ? undefined
        : new Leasing(leased, judge, lease, this.shared, time, {
            local: this.parts.local,
            marks: this.inner.marks,
          })
    if (leasing === undefined) this.leasing.delete(plan.name)
    else this.leasing.set(plan.name, leasing)
    this.judges.get(plan.name)?.forget()
    if (before !== undefined) this.retire(before)
    const own = new HybridJudge(leased ?? plan, judge, this.shared, time, leasing)
    this.judges.set(plan.name, own)
    return own
  }

  sessions<T>(options?: SessionsOptions<T>): SessionStorage<T> {
    return this.inner.sessions(options)
  }

  /** The archive of the remote storage, whose resets and marks are reported as changes. */
  get archive(): Archive | undefined {
    return this.inner.archive
  }

  watch(listener: ChangeListener): MaybePromise<() => void> {
    return this.inner.watch((change) => {
      if (!isAnnouncement(change)) listener(change)
    })
  }

  /** Reports the conditions of the remote storage, and failures in the background. */
  observe(listener: ConditionListener): () => void {
    return this.conditions.add(listener)
  }

  reset(bot: number, key: Key, slot?: string): MaybePromise<void> {
    const forget = (): void => {
      this.shared.memory.forget(bot, key)
      for (const leasing of this.leasing.values()) leasing.reset(bot, key, slot)
    }
    return around(forget, () => this.inner.reset(bot, key, slot))
  }

  async health(): Promise<StorageHealth> {
    const health = await this.inner.health()
    return { ...health, ok: health.ok && this.closing === undefined, hybrid: this.hybridHealth() }
  }

  /** Gives back unspent units and closes the remote storage. */
  close(): Promise<void> {
    this.closing ??= this.end()
    return this.closing
  }

  private async end(): Promise<void> {
    this.callOffWatch?.()
    for (const leasing of this.leasing.values()) this.retire(leasing)
    await this.givenBack()
    this.shared.memory.clear()
    this.judges.clear()
    this.leasing.clear()
    this.innerWatch.stop()
    this.shared.isWatching = false
    this.unobserve?.()
    try {
      if (this.parts.ownsLocal) await this.parts.local.close()
    } finally {
      await this.inner.close()
      this.conditions.clear()
    }
  }

  /** Waits a limited time, so that an unresponsive storage does not prevent closing. Units not given back count as spent. */
  private async givenBack(): Promise<void> {
    if (this.retired.size === 0) return
    await endsWithin(Promise.all(this.retired), GIVE_BACK_WITHIN, this.parts.timers)
  }

  private retire(leasing: Leasing): void {
    leasing.end()
    const settled = leasing.settled().then(() => {
      this.retired.delete(settled)
    })
    this.retired.add(settled)
  }

  private hybridHealth(): HybridHealth {
    const { memory, counts, isWatching } = this.shared
    let held = 0
    for (const leasing of this.leasing.values()) held += leasing.held
    return { watching: isWatching, refusals: memory.size, ...counts, held }
  }

  /** Discards what is remembered of subjects whose marks are written here. */
  private forget(bot: number, keys: readonly Key[]): void {
    for (const key of keys) this.shared.memory.forget(bot, key)
    for (const leasing of this.leasing.values()) leasing.marksChanged({ kind: 'marks', bot, name: '', keys })
  }

  /** The storage refuses to be watched, or fails. Until it is watched, refusals are remembered only briefly. */
  private unwatchable(error: unknown): void {
    this.conditions.tell({ is: 'failed', error, during: 'hybrid.watch' })
    if (this.closing !== undefined) return
    const isRefused =
      error instanceof SentinelError &&
      (error.code === 'storage.unsupported' || error.code === 'storage.permission')
    const wait = isRefused ? WATCH_REFUSED_AGAIN : WATCH_AGAIN
    this.callOffWatch ??= this.parts.timers.after(wait, () => {
      this.callOffWatch = undefined
      this.innerWatch.start()
    })
  }

  private changed(change: StorageChange): void {
    const { shared } = this
    const announcement = isAnnouncement(change) ? announced(change) : undefined
    if (change.kind === 'gap') shared.isWatching = change.lost === undefined
    if (change.kind === 'gap' || (announcement === undefined && isAnnouncement(change))) {
      shared.memory.clear()
      for (const leasing of this.leasing.values()) leasing.marksChanged({ kind: 'gap' })
    } else if (change.kind === 'marks') {
      for (const key of change.keys) this.shared.memory.forget(change.bot, key)
      for (const leasing of this.leasing.values()) leasing.marksChanged(change)
    } else if (announcement !== undefined) {
      for (const key of announcement.keys) this.shared.memory.forget(change.bot, key)
      for (const [slot, token] of announcement.taken) {
        for (const judge of this.judges.values()) judge.released(change.bot, slot, token)
      }
    } else {
      this.shared.memory.forget(change.bot, change.key)
      for (const leasing of this.leasing.values()) leasing.reset(change.bot, change.key, change.slot)
    }
  }

  private aside(during: string, work: () => MaybePromise<unknown>): void {
    inBackground(work, (error) => this.conditions.tell({ is: 'failed', error, during }))
  }

  private refuseClosed(): void {
    if (this.closing === undefined) return
    throw new SentinelError('storage.closed', 'hybrid: closed. Make a new one with hybrid().')
  }
}

/** Forgets before and after a write: decisions on their way may have been made before or after it. */
function around<T>(forget: () => void, write: () => MaybePromise<T>): MaybePromise<T> {
  forget()
  return whenOver(write, forget)
}
