import { type Ask, isPromise, type Judge, type MaybePromise, type Plan } from '../core/check.js'
import { checkedClock } from '../core/checked-clock.js'
import { type Clock, systemClock, type Timers } from '../core/clock.js'
import { type Duration, parseDuration } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { checkNames } from '../core/option-names.js'
import { Heartbeat } from '../core/request-bound.js'
import type { Key } from '../core/subject.js'
import type { Archive } from './contract/archive.js'
import type { ChangeListener } from './contract/changes.js'
import { checkPlan, marksReadBy } from './contract/plan.js'
import type { SessionStorage, SessionsOptions } from './contract/sessions.js'
import type { Marks, Storage, StorageHealth } from './contract/storage.js'
import type { Users } from './contract/users.js'
import type { Values } from './contract/values.js'
import { memory } from './memory/memory.js'
import { withProtection } from './protection/with-protection.js'
import { MarkCache } from './shared/mark-cache.js'

/**
 * The parts of a {@link Storage} that {@link combine} needs for durable data: everything except deciding.
 *
 * @example
 * ```ts
 * import { combine, type DurableStorage, sentinel } from 'grammy-sentinel'
 *
 * const guarded = (durable: DurableStorage) => sentinel({ storage: combine({ durable }) })
 * ```
 */
export type DurableStorage = Pick<
  Storage,
  'marks' | 'users' | 'values' | 'sessions' | 'archive' | 'watch' | 'health' | 'close' | 'remote' | 'kind'
>

/**
 * Options of {@link combine}.
 *
 * @example
 * ```ts
 * import { type CombineOptions, combine, memory } from 'grammy-sentinel'
 *
 * const options: CombineOptions = { durable: memory(), refresh: '10s' } // put a storage of yours in memory's place
 * combine(options)
 * ```
 */
export interface CombineOptions {
  /** Keeps marks, users, values and sessions. */
  readonly durable: DurableStorage
  /** Counts and decides. Must be in this process and used for nothing else. @default memory() */
  readonly volatile?: Storage
  /**
   * How long the marks of a subject are used before they are read again (they are first read when the subject is first asked
   * about). If the durable storage does not report changes, a block by another process takes effect this late.
   * @default '1m'
   */
  readonly refresh?: Duration
  /** Maximum number of subjects whose marks are remembered, 1,000 or more. @default 100_000 */
  readonly maxSubjects?: number
  /** Tells the time. @default Date.now */
  readonly clock?: Clock
  /** Not used: accepted so that an object with `clock` and `timers` fits all storages. */
  readonly timers?: Timers
}

/**
 * Makes one storage of two: one keeps durable data, the other, memory by default, counts and decides. A block list thus survives
 * a restart in any storage that can keep it, and limits cost no round trip.
 *
 * Each process counts limits for itself. `close()` closes both storages.
 *
 * @throws SentinelError `option.unknown`, `option.invalid` if `volatile` is not in this process or `maxSubjects` is too small, `duration.invalid`.
 *
 * @example
 * ```ts
 * import { combine, fromGrammyStorage, type GrammyAdapter, memory, sentinel } from 'grammy-sentinel'
 *
 * declare const adapter: GrammyAdapter
 * const storage = combine({ durable: fromGrammyStorage(adapter), volatile: memory({ maxSubjects: 50_000 }) })
 * const guard = sentinel({ storage })
 * ```
 */
export function combine(options: CombineOptions): Storage {
  checkNames('combine', options, ['durable', 'volatile', 'refresh', 'maxSubjects', 'clock', 'timers'])
  const { durable, clock = systemClock, maxSubjects = 100_000 } = options
  checkedClock(clock, 'combine.clock')
  const volatile = options.volatile ?? memory({ clock })
  if (volatile.remote === true) {
    throw new SentinelError(
      'option.invalid',
      'combine.volatile: it is remote, so the copy of the marks would be stored there. Pass memory(), or use that storage alone.',
    )
  }
  if (!Number.isInteger(maxSubjects) || maxSubjects < 1000) {
    throw new SentinelError(
      'option.invalid',
      `combine.maxSubjects: ${String(maxSubjects)} must be a whole number of 1,000 or more.`,
    )
  }
  const refresh = parseDuration(options.refresh ?? '1m', 'combine.refresh')
  const combined = new Combined(
    durable,
    volatile,
    new MarkCache(durable.marks, volatile.marks, clock, refresh, maxSubjects),
  )
  return combined.remote ? withProtection(combined) : combined
}

/** How often marks are read for one ask before giving up, because they change faster than they can be read. */
const MOST_READINGS = 8

export class Combined implements Storage {
  readonly remote: boolean
  readonly kind: string | undefined
  readonly marks: Marks
  readonly users: Users
  readonly values: Values
  private watching: MaybePromise<() => void> | undefined
  private meeting: Promise<void> | undefined
  private isMet: boolean
  private readonly heartbeat = new Heartbeat()
  private closed = false

  constructor(
    private readonly durable: DurableStorage,
    private readonly volatile: Storage,
    private readonly copy: MarkCache,
  ) {
    this.remote = durable.remote === true
    this.isMet = !this.remote
    this.kind =
      durable.kind === undefined || volatile.kind === undefined
        ? undefined
        : `${durable.kind}+${volatile.kind}`
    this.marks = copy.over(durable.marks)
    this.users = durable.users
    this.values = durable.values
  }

  prepare(plan: Plan): MaybePromise<Judge> {
    if (this.closed)
      throw new SentinelError('storage.closed', 'combine: closed. Make a new one with combine().')
    checkPlan(plan)
    const scopes = scopesOfMarks(plan)
    // Watch before reading anything, so that no later change is missed.
    this.watching ??= this.durable.watch((change) => this.copy.changed(change))
    const { watching } = this
    const meeting = scopes.length === 0 ? undefined : this.meet()
    if (!isPromise(watching) && meeting === undefined) return this.compiled(plan, scopes)
    return this.whenReady(watching, meeting, plan, scopes)
  }

  sessions<T>(options?: SessionsOptions<T>): SessionStorage<T> {
    return this.durable.sessions(options)
  }

  /** Reports changes of marks by the durable storage, and resets of either storage. */
  async watch(listener: ChangeListener): Promise<() => void> {
    const stopVolatile = await this.volatile.watch((change) => {
      // The volatile storage holds only copies of marks, so its mark changes are not reported.
      if (change.kind === 'reset') listener(change)
    })
    const stopDurable = await this.durable.watch(listener)
    return () => {
      stopVolatile()
      stopDurable()
    }
  }

  /** The durable storage's archive. Forgetting a subject also resets its counts. */
  get archive(): Archive | undefined {
    const { archive } = this.durable
    if (archive === undefined) return undefined
    return {
      contents: () => archive.contents(),
      restore: (bot, users) => archive.restore(bot, users),
      marksOf: (bot, keys) => archive.marksOf(bot, keys),
      forget: async (bot, keys) => {
        const marked = (await archive.marksOf(bot, keys)).map(({ key }) => key)
        await archive.forget(bot, keys)
        for (const key of new Set([...keys, ...marked])) await this.volatile.reset(bot, key)
      },
    }
  }

  reset(bot: number, key: Key, slot?: string): MaybePromise<void> {
    return this.volatile.reset(bot, key, slot)
  }

  async health(): Promise<StorageHealth> {
    const [durable, volatile] = await Promise.all([this.durable.health(), this.volatile.health()])
    return {
      ...volatile,
      kind: `${durable.kind}+${volatile.kind}`,
      ok: durable.ok && volatile.ok && !this.closed,
    }
  }

  async close(): Promise<void> {
    await this.release()
    await this.durable.close()
  }

  /** Closes everything except the durable storage. */
  async release(): Promise<void> {
    this.closed = true
    const { watching } = this
    this.watching = undefined
    // If the watch could not be started, the caller that started it has received the error.
    if (watching !== undefined) {
      const stop = await Promise.resolve(watching).catch(() => undefined)
      stop?.()
    }
    this.copy.clear()
    await this.volatile.close()
  }

  /**
   * Makes the first contact with a remote durable storage while the plan is prepared, because only preparation is given extra
   * time for it. Watching does not count as contact: it is either local to this process or uses a connection of its own.
   */
  private meet(): Promise<void> | undefined {
    if (this.isMet) return undefined
    if (this.meeting !== undefined && !this.heartbeat.isLost) return this.meeting
    this.heartbeat.beat()
    const meeting = this.contact().finally(() => {
      if (this.meeting === meeting) this.meeting = undefined
    })
    this.meeting = meeting
    return meeting
  }

  /** An unhealthy storage is not reported here: the next call to it will fail. */
  private async contact(): Promise<void> {
    const { ok } = await this.durable.health()
    if (ok) this.isMet = true
  }

  private async whenReady(
    watching: MaybePromise<() => void>,
    meeting: Promise<void> | undefined,
    plan: Plan,
    scopes: readonly number[],
  ): Promise<Judge> {
    await Promise.all([this.watched(watching), meeting])
    return this.compiled(plan, scopes)
  }

  private async watched(watching: MaybePromise<() => void>): Promise<void> {
    try {
      await watching
    } catch (error) {
      if (this.watching === watching) this.watching = undefined
      throw error
    }
  }

  private compiled(plan: Plan, scopes: readonly number[]): MaybePromise<Judge> {
    const judge = this.volatile.prepare(plan)
    const with_ = (inner: Judge): Judge => (scopes.length === 0 ? inner : this.informed(inner, scopes))
    return isPromise(judge) ? judge.then(with_) : with_(judge)
  }

  /** Wraps a judge so that it is asked only when the marks it will read have been copied. */
  private informed(inner: Judge, scopes: readonly number[]): Judge {
    const known = <T>(ask: Ask, then: () => MaybePromise<T>): MaybePromise<T> => {
      const reading = this.unknown(ask, scopes)
      return reading === undefined ? then() : this.read(reading, ask, scopes).then(then)
    }
    return {
      evaluate: (ask, at) => known(ask, () => inner.evaluate(ask, at)),
      peek: (ask, at) => known(ask, () => inner.peek(ask, at)),
      settle: (receipt, how, check) => inner.settle(receipt, how, check),
    }
  }

  /** Returns the pending readings of the marks that an ask needs, or undefined if all are known. */
  private unknown({ bot, subjects }: Ask, scopes: readonly number[]): Promise<void>[] | undefined {
    let readings: Promise<void>[] | undefined
    for (const scope of scopes) {
      const key = subjects[scope]
      if (key === undefined) continue
      const reading = this.copy.know(bot, key)
      if (reading !== undefined) {
        readings ??= []
        readings.push(reading)
      }
    }
    return readings
  }

  private async read(first: readonly Promise<void>[], ask: Ask, scopes: readonly number[]): Promise<void> {
    let readings: readonly Promise<void>[] | undefined = first
    for (let times = 0; times < MOST_READINGS; times++) {
      await Promise.all(readings)
      // Marks may have changed while others were being read.
      readings = this.unknown(ask, scopes)
      if (readings === undefined) return
    }
    // Wait for the remaining readings too, so that a failure among them is not left unhandled.
    await Promise.allSettled(readings)
    throw new SentinelError(
      'storage.overloaded',
      'combine: marks change faster than they can be read, or maxSubjects is too small.',
    )
  }
}

/** Returns the scopes whose marks a plan reads. */
function scopesOfMarks({ checks }: Plan): number[] {
  return [...new Set(checks.flatMap((check) => [...marksReadBy(check)].map(({ scope }) => scope)))]
}
