import type { Judge, Plan } from '../core/check.js'
import { checkedClock } from '../core/checked-clock.js'
import { checkedTimers } from '../core/checked-timers.js'
import { type Clock, quietTimers, steadyClock, systemClock, type Timers } from '../core/clock.js'
import { Deadlines } from '../core/deadlines.js'
import type { Duration } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { checkNames } from '../core/option-names.js'
import { type Combined, combine } from './combine.js'
import { isName } from './contract/json.js'
import { canonicalKey } from './contract/keys.js'
import { checkPlan } from './contract/plan.js'
import type { Storage } from './contract/storage.js'
import type { Bounded, GrammyAdapter } from './grammy/documents.js'
import { GrammyStorage } from './grammy/storage.js'
import { withProtection } from './protection/with-protection.js'
import { span } from './resilient/options.js'
import { BoundedCall } from './resilient/timed-calls.js'

/**
 * Options of {@link fromGrammyStorage}.
 *
 * @example
 * ```ts
 * import type { GrammyStorageOptions } from 'grammy-sentinel'
 *
 * const options: GrammyStorageOptions = { prefix: 'guards' }
 * ```
 */
export interface GrammyStorageOptions {
  /** Prefix of all keys in the adapter: 1 to 64 characters. Nothing else may use it. @default 'sentinel' */
  readonly prefix?: string
  /**
   * How long one call of the adapter may take, such as `'10s'` or 10_000 milliseconds. A longer call fails with `storage.failed`
   * and the next one in turn is made. If the late call is a write, it may still overwrite a newer one. @default '10s'
   */
  readonly timeout?: Duration
  /** Tells the time. @default Date.now; time-outs use a monotonic clock */
  readonly clock?: Clock
  /** Schedules time-outs. @default setTimeout, without keeping the process alive */
  readonly timers?: Timers
}

/**
 * Keeps marks (blocks, registration, roles), users, values and sessions in any storage adapter of grammY: files, MongoDB,
 * Firestore, Deno KV and the like. It cannot keep what guards count: an adapter has no atomic operations, so two concurrent
 * updates could be counted as one. Wrap it in `combine()` to count in memory.
 *
 * Adapters only know keys, so indexes for `scan()` are stored beside the data. Writes of one process are made in turn. If two
 * processes share an adapter and write at the same time, an addition to a user's counter may be lost, and so may index entries
 * (the marks themselves are safe; putting them again repairs the index). `watch()` reports only changes by this process.
 *
 * @param adapter An adapter used for nothing else, or a shared one with a `prefix` of its own. It must have no time to live,
 * which would make blocks lapse.
 * @throws SentinelError `option.unknown`, `option.invalid`, `duration.invalid`. Its `prepare()` throws `storage.unsupported` for plans that count.
 *
 * @example
 * ```ts
 * import type { StorageAdapter } from 'grammy'
 * import { combine, fromGrammyStorage, type KeptDocument, sentinel } from 'grammy-sentinel'
 *
 * declare const adapter: StorageAdapter<KeptDocument> // such as new FileAdapter({ dirName: 'guards' })
 * const guard = sentinel({ storage: combine({ durable: fromGrammyStorage(adapter) }) })
 * await guard.block(1234567) // is blocked after a restart, too
 * ```
 */
export function fromGrammyStorage(adapter: GrammyAdapter, options: GrammyStorageOptions = {}): Storage {
  checkNames('fromGrammyStorage', options, ['prefix', 'timeout', 'clock', 'timers'])
  const { prefix = 'sentinel', clock = systemClock, timers = quietTimers } = options
  for (const method of ['read', 'write', 'delete'] as const) {
    if (typeof adapter?.[method] === 'function') continue
    throw new SentinelError(
      'option.invalid',
      `fromGrammyStorage: the adapter has no ${method}(). Pass a storage adapter, as session({ storage }) takes.`,
    )
  }
  if (!isName(prefix, 64)) {
    throw new SentinelError(
      'option.invalid',
      "fromGrammyStorage.prefix: it must be a text of 1 to 64 characters, such as 'sentinel'.",
    )
  }
  const time = checkedClock(clock, 'fromGrammyStorage.clock')
  checkedTimers(timers, 'fromGrammyStorage.timers')
  const timeout = span('fromGrammyStorage.timeout', options.timeout ?? '10s')
  const steady = options.timers === undefined ? steadyClock : time
  const deadlines = new Deadlines(timeout, steady, timers)
  const bounded = <T>(answer: Promise<T>): Promise<T> => new BoundedCall<T>(deadlines).wait(answer)
  return withProtection(new MarksOnly(adapter, prefix, time, bounded))
}

const COUNTING = new Map([
  ['bucket', 'counts'],
  ['window', 'counts'],
  ['claim', 'claims'],
])

/** Judges by marks only. */
class MarksOnly extends GrammyStorage implements Storage {
  private combined: Combined | undefined
  private readonly time: Clock

  constructor(adapter: GrammyAdapter, prefix: string, clock: Clock, bounded: Bounded) {
    super(adapter, prefix, clock, bounded)
    this.time = clock
  }

  prepare(plan: Plan): Promise<Judge> | Judge {
    if (this.isClosed) {
      throw new SentinelError(
        'storage.closed',
        'fromGrammyStorage: closed. Make a new one with fromGrammyStorage().',
      )
    }
    checkPlan(plan)
    const check = plan.checks.find(({ kind }) => COUNTING.has(kind))
    if (check !== undefined) {
      throw new SentinelError(
        'storage.unsupported',
        `fromGrammyStorage: "${check.slot}" (${check.guard}) ${COUNTING.get(check.kind)}, which no storage adapter of grammY can do without losing counts. Count in memory: combine({ durable: fromGrammyStorage(adapter) }).`,
      )
    }
    this.combined ??= combine({ durable: this, clock: this.time }) as Combined
    return this.combined.prepare(plan)
  }

  /** No volatile state is kept here; the reset is reported for others who keep some, such as `combine()`. */
  reset(bot: number, key: string | number, slot?: string): void {
    this.tellReset(bot, canonicalKey(key), slot)
  }

  override async close(): Promise<void> {
    await this.combined?.release()
    await super.close()
  }
}
