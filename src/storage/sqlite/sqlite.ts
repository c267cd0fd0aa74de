import type { Judge, Plan } from '../../core/check.js'
import { checkedClock } from '../../core/checked-clock.js'
import { checkedTimers } from '../../core/checked-timers.js'
import { type Clock, quietTimers, systemClock, type Timers } from '../../core/clock.js'
import { SentinelError } from '../../core/errors.js'
import { checkNames } from '../../core/option-names.js'
import type { Key } from '../../core/subject.js'
import type { ChangeListener } from '../contract/changes.js'
import { canonicalKey } from '../contract/keys.js'
import { checkPlan } from '../contract/plan.js'
import { type SessionStorage, type SessionsOptions, sessionsOver } from '../contract/sessions.js'
import type { Storage, StorageHealth } from '../contract/storage.js'
import { serials } from '../remote/serials.js'
import { storedKey } from '../shared/sql.js'
import { SqliteArchive } from './archive.js'
import { Changes } from './changes.js'
import type { SqliteDatabase } from './driver.js'
import { SqliteJudge, type SqliteShared } from './judge.js'
import { closedError, failureOf, Link } from './link.js'
import { SqliteMarks } from './marks.js'
import { Sweeper } from './sweeper.js'
import { KeptTime } from './time.js'
import { SqliteUsers } from './users.js'
import { SqliteValues } from './values.js'

/**
 * Options of {@link sqlite}.
 *
 * @example
 * ```ts
 * import { type SqliteOptions, sqlite } from 'grammy-sentinel/sqlite'
 *
 * const patient: SqliteOptions = { busyTimeout: 10_000, onError: ({ message }) => console.error(message) }
 * sqlite('bot.db', patient)
 * ```
 */
export interface SqliteOptions {
  /**
   * How long to wait for another process that is writing, in milliseconds. This blocks the whole process. An open database that
   * was passed in keeps its own setting.
   * @default 5000
   */
  readonly busyTimeout?: number
  /** Tells the time, for tests. @default Date.now */
  readonly clock?: Clock
  /**
   * Schedules the search for changes by other processes, every 100 ms while somebody watches, and the removal of expired rows.
   * @default setTimeout, without keeping the process alive
   */
  readonly timers?: Timers
  /** Receives errors in background work that no caller waits for. @default errors are ignored */
  readonly onError?: (error: SentinelError) => void
}

/**
 * Keeps everything in a file: limits and the block list survive restarts, and processes on one machine share them. For bots that
 * run without a database server. Needs Node 22.13 (for `node:sqlite`) or the package `better-sqlite3`.
 *
 * Each update is one synchronous transaction of some tens of microseconds. The file is in WAL mode: a power cut may lose the
 * latest counts. Keep the file on a local disk.
 *
 * @param database A path, `:memory:`, or your own open database, which is not closed with the storage. Tables begin with
 * `sentinel_`.
 * @param options See {@link SqliteOptions}.
 * @throws SentinelError `option.unknown`, `option.invalid` for an invalid path or time-out. Its methods reject with `peer.missing` without SQLite,
 * `storage.failed`, `storage.readonly`, `storage.overloaded` or `storage.closed`.
 *
 * @example
 * ```ts
 * import { sentinel } from 'grammy-sentinel'
 * import { sqlite } from 'grammy-sentinel/sqlite'
 *
 * const guard = sentinel({ storage: sqlite('bot.db') })
 * ```
 */
export function sqlite(database: string | SqliteDatabase, options: SqliteOptions = {}): Storage {
  checkNames('sqlite', options, ['busyTimeout', 'clock', 'timers', 'onError'])
  return new SqliteStorage(database, options)
}

class SqliteStorage implements Storage {
  // The file may fail and other processes share it, so it is treated like a server.
  readonly remote = true
  readonly kind = 'sqlite'
  readonly marks: SqliteMarks
  readonly users: SqliteUsers
  readonly values: SqliteValues
  readonly archive: SqliteArchive
  private readonly link: Link
  private readonly clock: Clock
  private readonly changes: Changes
  private readonly sweeper: Sweeper
  private readonly shared: SqliteShared
  private readonly judges = new Map<string, SqliteJudge>()

  constructor(database: string | SqliteDatabase, options: SqliteOptions) {
    const { busyTimeout = 5000, clock = systemClock, timers = quietTimers, onError } = options
    if (typeof database === 'string' ? database === '' : typeof database?.prepare !== 'function') {
      throw new SentinelError(
        'option.invalid',
        `sqlite: that is not a database. Pass the path of a file, such as 'bot.db', or an open database.`,
      )
    }
    if (!Number.isInteger(busyTimeout) || busyTimeout < 0) {
      throw new SentinelError(
        'option.invalid',
        `sqlite.busyTimeout: ${String(busyTimeout)} must be a whole number of milliseconds, such as 5000.`,
      )
    }
    const fail = (error: unknown) => onError?.(failureOf(error) as SentinelError)
    this.clock = checkedClock(clock, 'sqlite.clock')
    checkedTimers(timers, 'sqlite.timers')
    this.link = new Link(database, busyTimeout, () => this.sweeper.start())
    this.changes = new Changes(this.link, clock, timers, fail)
    this.sweeper = new Sweeper(this.link, clock, timers, fail)
    this.marks = new SqliteMarks(this.link, clock, this.changes)
    this.users = new SqliteUsers(this.link, clock)
    this.values = new SqliteValues(this.link, clock)
    this.archive = new SqliteArchive(this.link, this.users)
    this.shared = {
      link: this.link,
      marks: this.marks,
      clock,
      time: new KeptTime(this.link),
      nextSerial: serials(),
    }
  }

  async prepare(plan: Plan): Promise<Judge> {
    if (this.link.closed) throw closedError()
    checkPlan(plan)
    // Open the file now, so that an error surfaces here rather than at the first update.
    this.link.read(() => undefined)
    const latest = () => this.judges.get(plan.name) as SqliteJudge
    const judge = new SqliteJudge(plan, this.shared, latest, this.judges.get(plan.name))
    this.judges.set(plan.name, judge)
    return judge
  }

  sessions<T>(options?: SessionsOptions<T>): SessionStorage<T> {
    return sessionsOver(this.values, options, this.clock)
  }

  async watch(listener: ChangeListener): Promise<() => void> {
    return this.changes.watch(listener)
  }

  async reset(bot: number, key: Key, slot?: string): Promise<void> {
    const { link } = this
    const own = storedKey(key)
    link.write(() => {
      for (const table of ['sentinel_records', 'sentinel_claims', 'sentinel_sequences']) {
        if (slot === undefined) link.run(`DELETE FROM ${table} WHERE bot = ? AND key = ?`, bot, own)
        else {
          link.run(
            `DELETE FROM ${table} WHERE place IN (SELECT id FROM sentinel_places WHERE slot = ?) AND bot = ? AND key = ?`,
            slot,
            bot,
            own,
          )
        }
      }
      this.changes.note({ kind: 'reset', bot, key: canonicalKey(key), ...(slot !== undefined && { slot }) })
    })
    this.changes.made()
  }

  async health(): Promise<StorageHealth> {
    try {
      this.link.read(() => this.link.get('SELECT 1 AS well'))
      this.link.checkFile()
      return { ok: true, kind: 'sqlite' }
    } catch (error) {
      if (!(error instanceof SentinelError)) throw error
      return { ok: false, kind: 'sqlite' }
    }
  }

  async close(): Promise<void> {
    this.changes.close()
    this.sweeper.stop()
    this.judges.clear()
    this.link.close()
  }
}
