import type { ClientConfig, Pool } from 'pg'
import type { Judge, Plan } from '../../core/check.js'
import { checkedClock } from '../../core/checked-clock.js'
import { type Clock, systemClock, type Timers } from '../../core/clock.js'
import { SentinelError } from '../../core/errors.js'
import { checkNames } from '../../core/option-names.js'
import type { Key } from '../../core/subject.js'
import type { ChangeListener } from '../contract/changes.js'
import { canonicalKey } from '../contract/keys.js'
import { checkPlan } from '../contract/plan.js'
import { type SessionStorage, type SessionsOptions, sessionsOver } from '../contract/sessions.js'
import type { Storage, StorageHealth } from '../contract/storage.js'
import { withProtection } from '../protection/with-protection.js'
import { Calls } from '../remote/calls.js'
import { serials } from '../remote/serials.js'
import { PostgresArchive } from './archive.js'
import { Changes, channelOf, resetPayload } from './changes.js'
import { Functions, planFunction } from './functions.js'
import { checkRowSecurity, type Identity, identify } from './identity.js'
import { PlanMoment, PostgresJudge } from './judge.js'
import { chunkPrefix, layOut, tagNames } from './layout.js'
import { closedError, Link } from './link.js'
import { PostgresMarks } from './marks.js'
import { checkSchema, migrate } from './migrations.js'
import { KnownNames } from './names.js'
import { type Ready, type Schema, timeIn } from './ready.js'
import { Settler } from './settler.js'
import type { Shared } from './shared.js'
import { Subjects } from './subjects.js'
import { Sweeper } from './sweeper.js'
import { PostgresUsers } from './users.js'
import { PostgresValues } from './values.js'

/**
 * Options of {@link postgres}.
 *
 * @example
 * ```ts
 * import { type PostgresOptions, postgres } from 'grammy-sentinel/postgres'
 *
 * const options: PostgresOptions = { schema: 'shop_guard', migrate: false }
 * postgres('postgres://bot@localhost/shop', options)
 * ```
 */
export interface PostgresOptions {
  /** The schema of tables and functions: up to 41 lower-case letters, digits and underscores. @default 'grammy_sentinel' */
  readonly schema?: string
  /**
   * Whether to create and update the tables on first use. If false, run the output of `npx grammy-sentinel sql` yourself.
   * @default true
   */
  readonly migrate?: boolean
  /** Maximum number of connections, if a connection string was given. @default 10 */
  readonly connections?: number
  /**
   * A connection string, or options of a `Client` of pg, of a direct connection for `watch`. Needed behind PgBouncer in transaction
   * mode, through which no changes are heard. @default as all other connections
   */
  readonly listen?: string | ClientConfig
  /** Tells the time, for tests. Absent: the server's clock, which all workers share. */
  readonly clock?: Clock
  /** Not used: accepted so that an object with `clock` and `timers` fits all storages. */
  readonly timers?: Timers
  /**
   * Receives errors in background work that no caller waits for: sweeping, a watch that cannot be resumed, an unreadable record
   * that was dropped.
   * @default errors are ignored
   */
  readonly onError?: (error: SentinelError) => void
}

/**
 * Keeps everything in PostgreSQL 14 or later, shared by any number of workers. An update takes one statement; updates that arrive
 * together share one.
 *
 * Tables are created on first use. Counters are in UNLOGGED tables, which a crash of the server empties: at most one extra burst
 * follows. Marks, users and values are logged.
 *
 * @param connection A connection string, or your own `Pool`, which is not closed with the storage.
 * @param options See {@link PostgresOptions}.
 * @throws SentinelError `option.unknown`, `option.invalid` for an invalid connection string, schema name, number of connections or `listen`. Its methods reject with
 * `peer.missing` without pg.
 *
 * @example
 * ```ts
 * import { sentinel } from 'grammy-sentinel'
 * import { postgres } from 'grammy-sentinel/postgres'
 *
 * const guard = sentinel({ storage: postgres('postgres://bot@localhost/shop') })
 * ```
 */
export function postgres(connection: string | Pool, options: PostgresOptions = {}): Storage {
  checkNames('postgres', options, [
    'schema',
    'migrate',
    'connections',
    'listen',
    'clock',
    'timers',
    'onError',
  ])
  return withProtection(new PostgresStorage(connection, options))
}

interface Prepared extends Schema {
  readonly shared: Shared
  readonly names: KnownNames
  identity: Identity
}

class PostgresStorage implements Storage {
  readonly remote = true
  readonly kind = 'postgres'
  readonly marks: PostgresMarks
  readonly users: PostgresUsers
  readonly values: PostgresValues
  readonly archive: PostgresArchive
  private readonly link: Link
  private readonly clock: Clock | undefined
  private readonly changes: Changes
  private readonly sweeper: Sweeper
  private readonly judges = new Map<string, PostgresJudge>()
  private readonly moments = new Map<string, PlanMoment>()
  private readonly tellError: (error: SentinelError) => void
  private readonly migrates: boolean
  private readonly ready: Ready
  private schema: Promise<Prepared> | undefined
  private latest: Prepared | undefined
  private readonly calls = new Calls()

  constructor(connection: string | Pool, options: PostgresOptions) {
    const { schema = 'grammy_sentinel', migrate: migrates = true, connections = 10 } = options
    const { listen, clock, onError } = options
    checkSchema(schema)
    checkedClock(clock, 'postgres.clock')
    if (!Number.isInteger(connections) || connections < 2) {
      throw new SentinelError(
        'option.invalid',
        `postgres.connections: ${String(connections)} must be a whole number of two or more, such as 10.`,
      )
    }
    this.clock = clock
    this.migrates = migrates
    this.tellError = onError ?? (() => undefined)
    this.link = Link.over(connection, schema, connections, listen)
    this.link.missed = () => this.doubt()
    this.changes = new Changes(this.link, (error) => this.fail(error))
    this.sweeper = new Sweeper(
      this.link,
      clock,
      migrates,
      () => [...this.judges.values()].flatMap((judge) => judge.functions),
      (error) => this.fail(error),
      () => this.look(),
    )
    this.ready = Object.assign(() => this.prepared(), { now: () => clock?.() ?? null })
    this.marks = new PostgresMarks(this.ready)
    this.users = new PostgresUsers(this.ready)
    this.values = new PostgresValues(this.ready)
    this.archive = new PostgresArchive(this.ready, (bot, key) => this.reset(bot, key))
  }

  async prepare(plan: Plan): Promise<Judge> {
    if (this.link.closed) throw closedError()
    checkPlan(plan)
    const judge = await this.judgeOf(plan)
    this.judges.set(plan.name, judge)
    return judge
  }

  /** Replaces a judge of a schema that is gone, unless a later plan has replaced it. */
  private async succeed(former: Pick<PostgresJudge, 'layout'>): Promise<Judge> {
    const { plan } = former.layout
    const judge = await this.judgeOf(plan)
    if (this.judges.get(plan.name) === former) this.judges.set(plan.name, judge)
    return judge
  }

  private async judgeOf(plan: Plan): Promise<PostgresJudge> {
    const { names, shared } = await this.prepared()
    const layout = await layOut(plan, names)
    const made = planFunction(layout, this.link.s)
    await shared.functions.make(plan, made)
    let moment = this.moments.get(plan.name)
    if (moment === undefined) {
      moment = new PlanMoment()
      this.moments.set(plan.name, moment)
    }
    return new PostgresJudge(layout, made, shared, moment)
  }

  sessions<T>(options?: SessionsOptions<T>): SessionStorage<T> {
    return sessionsOver(this.values, options, this.clock ?? systemClock)
  }

  async watch(listener: ChangeListener): Promise<() => void> {
    await this.prepared()
    return this.changes.watch(listener)
  }

  async reset(bot: number, key: Key, slot?: string): Promise<void> {
    const { link, subjects } = await this.prepared()
    const own = canonicalKey(key)
    await link.query(`SELECT ${link.s}.forget($1, $2, $3, $4), pg_notify($5, $6)`, [
      bot,
      subjects.numberOf(own),
      slot === undefined ? null : tagNames(slot),
      chunkPrefix(slot),
      channelOf(link.schema),
      resetPayload(bot, own, slot),
    ])
  }

  async health(): Promise<StorageHealth> {
    if (this.link.closed) return { ok: false, kind: 'postgres' }
    try {
      await this.prepared()
      const [row] = await this.link.query<{ tracked: number; bytes: string }>(
        `SELECT greatest(reltuples, 0)::float8 AS tracked, pg_total_relation_size(oid) AS bytes FROM pg_class WHERE oid = $1::regclass`,
        [`${this.link.s}.records`],
      )
      const { tracked = 0, bytes = 0 } = row ?? {}
      return { ok: true, kind: 'postgres', tracked, bytes: Number(bytes), calls: this.calls.health }
    } catch (error) {
      this.fail(error)
      return { ok: false, kind: 'postgres' }
    }
  }

  async close(): Promise<void> {
    this.changes.close()
    this.sweeper.stop()
    for (const judge of this.judges.values()) judge.close(closedError())
    this.judges.clear()
    this.latest?.shared.settler.close(closedError())
    await this.link.close()
  }

  /** Brings the schema up to date once; tries again after a failure, and when something of the schema was missing. */
  private prepared(): Promise<Prepared> {
    if (this.schema !== undefined) return this.schema
    const beginning = this.begin().catch((error: unknown) => {
      if (this.schema === beginning) this.schema = undefined
      throw error
    })
    this.schema = beginning
    return beginning
  }

  private doubt(): void {
    this.schema = undefined
  }

  /**
   * Notices a schema that was replaced by another worker, whose functions may be the same, another server in place of the former
   * one, and rows that are hidden from now on.
   */
  private async look(): Promise<void> {
    const { latest } = this
    await checkRowSecurity(this.link).catch((error: SentinelError) => {
      // Judges would not see marks. Prepare everything anew, which is refused as long as rows are hidden.
      if (latest !== undefined && error.code === 'storage.permission') this.leave(latest, error)
      throw error
    })
    const { schema, started } = await identify(this.link)
    if (schema !== latest?.identity.schema || started !== latest.identity.started) this.doubt()
    await this.prepared()
  }

  /** Makes judges prepare their plans anew. */
  private leave(former: Prepared, error: unknown): void {
    former.shared.outdated = true
    former.shared.settler.close(error)
    if (this.latest !== former) return
    this.latest = undefined
    this.doubt()
  }

  private async begin(): Promise<Prepared> {
    const { link, clock, calls, latest: former } = this
    const startedBefore = former?.identity.started
    await checkRowSecurity(link)
    await migrate(link, this.migrates)
    const identity = await identify(link)
    const { schema, secret, started } = identity
    if (startedBefore !== undefined && startedBefore !== started) this.changes.renew()
    // A standby may lack the numbers that the former primary gave last, and give them to other names.
    const keeps = former?.identity.schema === schema && (await former.names.areStored())
    // Read only now: several may look at the schema at once, and the first of them has taken over from the former schema.
    const { latest } = this
    if (latest?.identity.schema === schema && (keeps || latest !== former)) {
      latest.identity = identity
      return latest
    }
    const subjects = new Subjects(secret)
    // Any first use starts the sweeper, so that a storage used only for marks, users or values is swept as well.
    if (!link.closed) this.sweeper.start()
    const shared: Shared = {
      link,
      subjects,
      clock,
      settler: new Settler(link, subjects, calls),
      functions: new Functions(link),
      calls,
      nextSerial: serials(),
      callsOut: 2,
      onError: this.tellError,
      look: () => this.prepared(),
      succeed: (judge) => this.succeed(judge),
      outdated: false,
    }
    this.latest = { link, subjects, time: timeIn, shared, names: new KnownNames(link), identity }
    if (latest !== undefined) {
      const message = `postgres: schema ${link.s} was created again or restored.`
      this.leave(latest, new SentinelError('storage.unavailable', message))
    }
    return this.latest
  }

  private fail(error: unknown): void {
    this.tellError(error instanceof SentinelError ? error : this.link.failure(error))
  }
}
