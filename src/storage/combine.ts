import { type Ask, isPromise, type Judge, type MaybePromise, type Plan } from '../core/check.js'
import { checkedClock } from '../core/checked-clock.js'
import { type Clock, systemClock } from '../core/clock.js'
import { type Duration, parseDuration } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { Lease } from '../core/request-bound.js'
import type { Key } from '../core/subject.js'
import type { Archive } from './archive.js'
import type { ChangeListener } from './changes.js'
import { MarkCopy } from './mark-copy.js'
import { memory } from './memory/memory.js'
import { checkPlan } from './plan.js'
import type { SessionStorage, SessionsOptions } from './sessions.js'
import { shielded } from './shielded.js'
import type { Marks, Storage, StorageHealth } from './storage.js'
import type { Users } from './users.js'
import type { Values } from './values.js'

/**
 * What {@link combine} asks of the storage that keeps: all but judging.
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
  /** Counts, and decides. It must be in this process, and for this alone. @default memory() */
  readonly volatile?: Storage
  /**
   * The marks of a subject are read when it is first asked for, and again when so long has passed: this is how late a
   * block by another process may be seen where the durable storage does not tell of it.
   * @default '1m'
   */
  readonly refresh?: Duration
  /** The most subjects whose marks are remembered, 1,000 or more. @default 100_000 */
  readonly maxSubjects?: number
  /** Tells the time. @default Date.now */
  readonly clock?: Clock
}

/**
 * Makes one storage of two: what is durable in one, what is counted in the other, by default memory. A block list
 * thus survives a restart, in any storage that can keep it, and limits cost no trip.
 *
 * Limits are counted by each process for itself. `close()` closes both.
 *
 * @throws SentinelError `option.invalid` where `volatile` is elsewhere or `maxSubjects` is too small, `duration.invalid`.
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
  const { durable, clock = systemClock, maxSubjects = 100_000 } = options
  checkedClock(clock, 'combine.clock')
  const volatile = options.volatile ?? memory({ clock })
  if (volatile.remote === true) {
    throw new SentinelError(
      'option.invalid',
      'combine.volatile: it is elsewhere, and a copy of marks would be kept there. Pass memory(), or use that storage alone.',
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
    new MarkCopy(durable.marks, volatile.marks, clock, refresh, maxSubjects),
  )
  return combined.remote ? shielded(combined) : combined
}

/** So many times are marks read for one ask before it is given up: they change faster than they can be read. */
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
  private readonly lease = new Lease()
  private closed = false

  constructor(
    private readonly durable: DurableStorage,
    private readonly volatile: Storage,
    private readonly copy: MarkCopy,
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
    // Before anything is read: what changes from now on is told.
    this.watching ??= this.durable.watch((change) => this.copy.changed(change))
    const { watching } = this
    const meeting = scopes.length === 0 ? undefined : this.meet()
    if (!isPromise(watching) && meeting === undefined) return this.compiled(plan, scopes)
    return this.whenReady(watching, meeting, plan, scopes)
  }

  sessions<T>(options?: SessionsOptions<T>): SessionStorage<T> {
    return this.durable.sessions(options)
  }

  /** Marks as the durable storage tells of them; resets of either. */
  async watch(listener: ChangeListener): Promise<() => void> {
    const stopVolatile = await this.volatile.watch((change) => {
      // Only resets: marks are put here only as a copy, which is no change.
      if (change.kind === 'reset') listener(change)
    })
    const stopDurable = await this.durable.watch(listener)
    return () => {
      stopVolatile()
      stopDurable()
    }
  }

  /** What is durable, as a whole; what is counted is forgotten with it. */
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

  /** Lets go of all but the durable storage. */
  async release(): Promise<void> {
    this.closed = true
    const { watching } = this
    this.watching = undefined
    // If the watch never began, the call that wanted it has got the error.
    if (watching !== undefined) {
      const stop = await Promise.resolve(watching).catch(() => undefined)
      stop?.()
    }
    this.copy.clear()
    await this.volatile.close()
  }

  /**
   * The first contact belongs to the preparation, which alone is given time for it. Without this, the first reading of marks would be it: to be
   * told of changes takes no contact where only this process tells of them, and else is another connection.
   */
  private meet(): Promise<void> | undefined {
    if (this.isMet) return undefined
    if (this.meeting !== undefined && !this.lease.isLost) return this.meeting
    this.lease.renew()
    const meeting = this.contact().finally(() => {
      if (this.meeting === meeting) this.meeting = undefined
    })
    this.meeting = meeting
    return meeting
  }

  /** Who says that it is not well is told of by what is asked of it next. */
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

  /** The same judge, asked when the marks it will look at are known. */
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

  /** The marks that an ask needs and that are yet to be read. */
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
      // Something may have changed while others were read.
      readings = this.unknown(ask, scopes)
      if (readings === undefined) return
    }
    // What is under way may still fail, which nobody would hear.
    await Promise.allSettled(readings)
    throw new SentinelError(
      'storage.overloaded',
      'combine: marks change faster than they can be read, or maxSubjects is too small for so many at once.',
    )
  }
}

/** Scopes whose marks a plan asks for. */
function scopesOfMarks({ checks }: Plan): number[] {
  const scopes = new Set<number>()
  for (const check of checks) {
    if (check.kind === 'absent' || check.kind === 'present') scopes.add(check.subject)
    if (check.unless !== undefined) scopes.add(check.unless.subject)
    if (check.kind === 'bucket' || check.kind === 'window') {
      for (const { subject } of check.variants ?? []) scopes.add(subject)
    }
  }
  return [...scopes]
}
