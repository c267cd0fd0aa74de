import type { Plan } from '../../core/check.js'
import { checkedClock } from '../../core/checked-clock.js'
import { type Clock, systemClock, type Timers } from '../../core/clock.js'
import { Digest } from '../../core/digest.js'
import { SentinelError } from '../../core/errors.js'
import { checkNames } from '../../core/option-names.js'
import type { Key } from '../../core/subject.js'
import type { ChangeListener, StorageChange } from '../contract/changes.js'
import { canonicalKey } from '../contract/keys.js'
import { Listeners } from '../contract/listeners.js'
import { checkPlan } from '../contract/plan.js'
import { type SessionStorage, type SessionsOptions, sessionsOver } from '../contract/sessions.js'
import type { Storage, StorageHealth } from '../contract/storage.js'
import { MemoryArchive } from './archive.js'
import type { MemoryShared } from './bot-state.js'
import { MemoryJudge } from './judge.js'
import { MemoryMarks } from './marks.js'
import { MemoryUsers } from './users.js'
import { MemoryValues } from './values.js'

/**
 * Options of {@link memory}.
 *
 * @example
 * ```ts
 * import { type MemoryOptions, memory } from 'grammy-sentinel'
 *
 * const small: MemoryOptions = { maxSubjects: 50_000 }
 * memory(small)
 * ```
 */
export interface MemoryOptions {
  /**
   * Maximum number of subjects with volatile state, per scope (users, chats …) and bot. A full table evicts expired records
   * first, then those that expire soonest, but never a penalty in force. The default guards take 21 to 43 bytes per subject,
   * depending on how full the table's blocks are.
   * @default 1_000_000
   */
  readonly maxSubjects?: number
  /** Tells the time. @default Date.now */
  readonly clock?: Clock
  /** Not used: accepted so that an object with `clock` and `timers` fits all storages. */
  readonly timers?: Timers
}

/**
 * Number of earlier plans whose state is still looked up. Each adds one look-up for a subject that the current plan has not seen.
 */
const MOST_EARLIER_PLANS = 8

/**
 * Keeps everything in this process. This is the default storage. It answers synchronously (further pages of a list come after a
 * turn of the event loop), packs the state of a subject into a few numbers and sets no timers. The state of limits is bounded;
 * marks, users and values are kept until they are removed or lapse. Everything, including the block list, is lost when the process
 * ends.
 *
 * @param options See {@link MemoryOptions}.
 * @throws SentinelError `option.invalid` unless `maxSubjects` is a whole number of one or more, `option.unknown`.
 *
 * @example
 * ```ts
 * import { memory, sentinel } from 'grammy-sentinel'
 *
 * const guard = sentinel({ storage: memory({ maxSubjects: 100_000 }) })
 * ```
 */
export function memory(options: MemoryOptions = {}): Storage {
  checkNames('memory', options, ['maxSubjects', 'clock', 'timers'])
  return new MemoryStorage(options)
}

class MemoryStorage implements Storage {
  readonly kind = 'memory'
  readonly marks: MemoryMarks
  readonly users: MemoryUsers
  readonly values: MemoryValues
  readonly archive: MemoryArchive
  private readonly changes = new Listeners<StorageChange>()
  private readonly shared: MemoryShared
  private readonly judges = new Map<string, MemoryJudge>()
  private closed = false

  constructor({ maxSubjects = 1_000_000, clock = systemClock }: MemoryOptions) {
    if (!Number.isInteger(maxSubjects) || maxSubjects < 1) {
      throw new SentinelError(
        'option.invalid',
        `memory.maxSubjects: ${String(maxSubjects)} must be a whole number of one or more, such as 100_000.`,
      )
    }
    checkedClock(clock, 'memory.clock')
    this.marks = new MemoryMarks(clock, this.changes)
    this.users = new MemoryUsers(clock)
    this.values = new MemoryValues(clock)
    this.archive = new MemoryArchive(this.marks, this.users, this.values, (bot, key) => this.reset(bot, key))
    this.shared = {
      clock,
      cap: maxSubjects,
      marks: this.marks,
      digest: Digest.random(),
      counts: { evicted: 0, untracked: 0 },
    }
  }

  prepare(plan: Plan): MemoryJudge {
    if (this.closed)
      throw new SentinelError('storage.closed', 'memory: closed. Make a new one with memory().')
    checkPlan(plan)
    const latest = this.judges.get(plan.name)
    // Another guard of this name: a judge of its own would take the state away from the guard that has it now.
    if (latest !== undefined && JSON.stringify(latest.plan) === JSON.stringify(plan)) return latest
    const judge = new MemoryJudge(plan, this.shared, latest)
    judge.forgetBefore(MOST_EARLIER_PLANS)
    this.judges.set(plan.name, judge)
    return judge
  }

  sessions<T>(options?: SessionsOptions<T>): SessionStorage<T> {
    return sessionsOver(this.values, options, this.shared.clock)
  }

  /** Synchronous: by the time a change returns, all listeners have been called. */
  watch(listener: ChangeListener): () => void {
    return this.changes.add(listener)
  }

  reset(bot: number, key: Key, slot?: string): void {
    const own = canonicalKey(key)
    for (const judge of this.judges.values()) judge.reset(bot, own, slot)
    this.changes.tell({ kind: 'reset', bot, key: own, ...(slot !== undefined && { slot }) })
  }

  health(): StorageHealth {
    const { evicted, untracked } = this.shared.counts
    let tracked = 0
    let bytes = 0
    for (const judge of this.judges.values()) {
      for (const table of judge.tables()) {
        tracked += table.size
        bytes += table.bytes
      }
    }
    return { ok: !this.closed, kind: 'memory', tracked, evicted, untracked, bytes }
  }

  /** Keeps the state: a bot that polls has the rest of its last batch decided after this, and nobody who is blocked may get in. */
  close(): void {
    this.closed = true
    this.changes.clear()
  }
}
