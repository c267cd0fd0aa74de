import type { Judge, Plan } from '../../core/check.js'
import { checkedClock } from '../../core/checked-clock.js'
import { type Clock, systemClock, type Timers } from '../../core/clock.js'
import { checkNames } from '../../core/option-names.js'
import type { Key } from '../../core/subject.js'
import type { ChangeListener } from '../contract/changes.js'
import { checkPlan } from '../contract/plan.js'
import { type SessionStorage, type SessionsOptions, sessionsOver } from '../contract/sessions.js'
import type { Storage, StorageHealth } from '../contract/storage.js'
import { withProtection } from '../protection/with-protection.js'
import { Calls } from '../remote/calls.js'
import { ToldMoment } from '../remote/moment.js'
import { serials } from '../remote/serials.js'
import { RedisArchive } from './archive.js'
import { Changes } from './changes.js'
import { Connection, type RedisConnection } from './connection.js'
import { closed } from './failures.js'
import { RedisJudge, type RedisShared } from './judge.js'
import { Keys } from './keys.js'
import { RedisMarks } from './marks.js'
import { reset } from './reset.js'
import { RedisUsers } from './users.js'
import { RedisValues } from './values.js'

/**
 * Options of {@link redis}.
 *
 * @example
 * ```ts
 * import { type RedisOptions, redis } from 'grammy-sentinel/redis'
 *
 * const apart: RedisOptions = { prefix: 'shop:sentinel' }
 * redis('redis://localhost:6379', apart)
 * ```
 */
export interface RedisOptions {
  /**
   * Prefix of all keys: 1 to 64 letters, digits, dots, colons, dashes or underscores. Storages with the same server and prefix
   * share their state.
   * @default 'sentinel'
   */
  readonly prefix?: string
  /** Tells the time instead of the server's clock, for tests. */
  readonly clock?: Clock
  /** Not used: accepted so that an object with `clock` and `timers` fits all storages. */
  readonly timers?: Timers
}

/**
 * Keeps everything in Redis 7 or later (including Redis Cluster), shared by all workers of a bot. A chain is decided in one round
 * trip by a script generated for its plan, on the server's clock. Updates that arrive together share a call.
 *
 * Blocks, registrations, roles, users and values never expire by themselves; the state of limits expires when it no longer
 * matters. Use a Redis that evicts nothing, or only keys with an expiry (`volatile-lru`).
 *
 * @param connection See {@link RedisConnection}. Connects on first use.
 * @param options See {@link RedisOptions}.
 * @throws SentinelError `option.unknown`, `option.invalid` for an invalid URL or prefix. Its methods reject with `peer.missing` without ioredis,
 * `storage.cluster` if the server of a single connection is a node of a cluster, `storage.failed`, `storage.readonly`,
 * `storage.permission`, `storage.overloaded` or `storage.closed`, and with `value.invalid` if the marks of a subject cannot be read.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { sentinel } from 'grammy-sentinel'
 * import { redis } from 'grammy-sentinel/redis'
 *
 * const bot = new Bot('123:token')
 * bot.use(sentinel({ storage: redis('redis://localhost:6379') }))
 * ```
 */
export function redis(connection: RedisConnection, options: RedisOptions = {}): Storage {
  checkNames('redis', options, ['prefix', 'clock', 'timers'])
  return withProtection(new RedisStorage(connection, options))
}

class RedisStorage implements Storage {
  readonly remote = true
  readonly kind = 'redis'
  readonly marks: RedisMarks
  readonly users: RedisUsers
  readonly values: RedisValues
  readonly archive: RedisArchive
  private readonly connection: Connection
  private readonly keys: Keys
  private readonly clock: Clock | undefined
  private readonly changes: Changes
  private readonly shared: RedisShared
  private readonly judges = new Map<string, RedisJudge>()
  private readonly moments = new Map<string, ToldMoment>()
  private closed = false

  constructor(connection: RedisConnection, { prefix = 'sentinel', clock }: RedisOptions) {
    this.keys = new Keys(prefix)
    this.clock = checkedClock(clock, 'redis.clock')
    this.connection = new Connection(connection, prefix)
    const now = (): number => clock?.() ?? -1
    this.marks = new RedisMarks(this.connection, this.keys, now)
    this.users = new RedisUsers(this.connection, this.keys, now)
    this.values = new RedisValues(this.connection, prefix, now)
    this.archive = new RedisArchive(this.connection, this.keys)
    this.changes = new Changes(this.connection, this.keys.channel)
    this.shared = {
      connection: this.connection,
      keys: this.keys,
      clock,
      counts: { corrupt: 0 },
      calls: new Calls(),
      nextSerial: serials(),
    }
  }

  async prepare(plan: Plan): Promise<Judge> {
    this.refuseClosed()
    checkPlan(plan)
    await this.connection.ready()
    let moment = this.moments.get(plan.name)
    if (moment === undefined) {
      moment = new ToldMoment()
      this.moments.set(plan.name, moment)
    }
    const judge = new RedisJudge(plan, this.shared, moment, this.judges.get(plan.name))
    this.judges.set(plan.name, judge)
    return judge
  }

  sessions<T>(options?: SessionsOptions<T>): SessionStorage<T> {
    return sessionsOver<T>(this.values, options, this.clock ?? systemClock)
  }

  async watch(listener: ChangeListener): Promise<() => void> {
    this.refuseClosed()
    return this.changes.watch(listener)
  }

  reset(bot: number, key: Key, slot?: string): Promise<void> {
    return reset(this.connection, this.keys, this.judges.values(), { bot, key, slot })
  }

  async health(): Promise<StorageHealth> {
    const ok = !this.closed && (await this.connection.ping())
    const { counts, calls } = this.shared
    return { ok, kind: this.connection.kind, corrupt: counts.corrupt, calls: calls.health }
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    for (const judge of this.judges.values()) judge.close(closed())
    this.changes.close()
    await this.connection.close()
  }

  private refuseClosed(): void {
    if (this.closed) throw closed()
  }
}
