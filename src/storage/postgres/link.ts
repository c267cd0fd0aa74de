import type { Client, ClientConfig, Pool, PoolClient, PoolConfig, QueryConfig, QueryResultRow } from 'pg'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { peer } from '../../core/peer.js'
import { checkConnectionString } from './connection-string.js'
import { Connections, connectWithin } from './connections.js'
import { failure, isMissing, stateOf } from './failures.js'
import { InFlight } from './in-flight.js'
import { type BoundedTable, TableSlots } from './slots.js'

/** Returns values as text. Callers know which ones are numbers. */
const AS_TEXT = { getTypeParser: () => (value: string) => value } as never

/** How values are parsed by type. pg's own parsers are global, so other code in the process may have changed them. */
const TYPES = {
  getTypeParser: (type: number) =>
    type === 16
      ? (value: string) => value === 't'
      : type === 21 || type === 23 || type === 701
        ? Number
        : (value: string) => value,
} as never

/**
 * A prepared statement is gone, or there is one already: the application has run DISCARD ALL on a connection of its pool, or a pooler
 * of transactions lends the connections of the server.
 */
const UNPREPARED: ReadonlySet<string> = new Set(['26000', '42P05'])
/** Serialization failure and deadlock. */
const CONFLICTS: ReadonlySet<string> = new Set(['40001', '40P01'])
const MOST_TRIES = 3
/** After a conflict, each party waits for a random part of this, so that they do not collide again. */
const APART: Ms = 20
/** Shorter than the time after which routers drop idle connections. */
const KEEP_ALIVE: Ms = 30_000

/** How long `close()` waits for statements, and then for the server to end its connections. */
const LEAVE: Ms = 5000

/** How long opening the connection that listens for changes may take. */
const OPEN: Ms = 5000

/** Connections that are left to decisions, of which two statements run at once, and for one that listens on a connection of the pool. */
const FOR_DECISIONS = 2
const FOR_LISTENING = 1
/** The size of a pool of pg that was not given one. */
const POOL_SIZE = 10

/** By default a connection sends nothing while it is idle, and routers forget it. */
const KEPT_ALIVE = {
  keepAlive: true,
  keepAliveInitialDelayMillis: KEEP_ALIVE,
  application_name: 'grammy-sentinel',
}

/** A connection that listens for changes, and how to close it. */
export interface Listening {
  readonly client: Client
  readonly close: () => void
}

/** The server, accessed through a pool. All queries go through here, so that all failures are reported alike. */
export class Link {
  /** The schema, quoted. */
  readonly s: string
  /** Called when a table or a function was missing: the schema may be another one than before. */
  missed: () => void = ignore
  private ended: Promise<void> | undefined

  /** Whether statements are prepared. Once one was lost, they no longer are: pg closes a connection whose query failed. */
  private prepares = true
  private pool: Pool | undefined
  private making: Promise<Pool> | undefined
  private readonly connections = new Connections()
  private readonly inFlight = new InFlight()
  private readonly slots: TableSlots

  private constructor(
    private readonly given: Pool | PoolConfig,
    private readonly own: boolean,
    readonly schema: string,
    private readonly listen: string | ClientConfig | undefined,
  ) {
    this.s = `"${schema}"`
    if (!own) this.pool = given as Pool
    // A pool of another make may have no options.
    const { max } = (own ? given : ((given as Pool).options ?? {})) as PoolConfig
    this.slots = new TableSlots((max ?? POOL_SIZE) - FOR_DECISIONS - (own ? FOR_LISTENING : 0))
  }

  static over(connection: string | Pool, schema: string, size: number, listen?: string | ClientConfig): Link {
    // pg would interpret an empty text as the local server.
    if (!connection || !(typeof connection === 'string' || typeof connection.query === 'function')) {
      throw new SentinelError(
        'option.invalid',
        'postgres: that is neither a connection string, such as postgres://bot@localhost/shop, nor a Pool. Is the environment variable set?',
      )
    }
    if (listen !== undefined && !(listen && (typeof listen === 'string' || typeof listen === 'object'))) {
      throw new SentinelError(
        'option.invalid',
        'postgres.listen: that is neither a connection string, such as postgres://bot@localhost/shop, nor the options of a Client of pg. Is the environment variable set?',
      )
    }
    if (typeof listen === 'string') checkConnectionString('postgres.listen', listen)
    if (typeof connection !== 'string') return new Link(connection, false, schema, listen)
    checkConnectionString('postgres', connection)
    const config: PoolConfig = {
      connectionString: connection,
      max: size,
      // By default a pool closes connections that are idle for ten seconds, so the first update after a pause would wait for a
      // new one, on a slow line longer than its time-out. Therefore one stays open, and keep-alive packets keep it known to
      // routers.
      min: 1,
      ...KEPT_ALIVE,
    }
    return new Link(config, true, schema, listen)
  }

  get closed(): boolean {
    return this.ended !== undefined
  }

  async query<Row extends QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    this.checkOpen()
    const { rows } = await this.inFlight.track(this.again((pool) => pool.query<Row>(asked(text, values))))
    return rows
  }

  /** As {@link query}, for statements on a table that may be locked: they leave connections to decisions. */
  async queryTable<Row extends QueryResultRow>(
    table: BoundedTable,
    text: string,
    values: readonly unknown[],
  ): Promise<Row[]> {
    // Checked before the statement waits for its turn: close() waits for those that do.
    this.checkOpen()
    const { rows } = await this.inFlight.track(
      this.slots.take(table, () => this.again((pool) => pool.query<Row>(asked(text, values)))),
    )
    return rows
  }

  /** Returns one value as text. The statement is prepared once per connection, where that is possible. */
  async value(name: string, text: string, values: unknown[]): Promise<string> {
    this.checkOpen()
    const question = { name, text, values, types: AS_TEXT, rowMode: 'array' }
    const { rows } = await this.inFlight.track(
      // Without a name, the statement need not have been prepared.
      this.again((pool) => pool.query(this.prepares ? question : { ...question, name: '' })),
    )
    return (rows as unknown as string[][])[0]?.[0] as string
  }

  /**
   * Repeats a statement that has certainly done nothing: after a conflict between concurrent statements, and if it was not prepared.
   */
  private async again<T>(call: (pool: Pool) => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      if (tries > 0) this.checkOpen()
      try {
        return await call(this.pool ?? (await this.make()))
      } catch (error) {
        const told = failure(error)
        if (isMissing(told)) this.missed()
        const state = stateOf(told)
        const isUnprepared = UNPREPARED.has(state)
        if (isUnprepared) this.prepares = false
        if (tries === MOST_TRIES || !(isUnprepared || CONFLICTS.has(state))) throw told
        if (isUnprepared) continue
        await new Promise((done) => setTimeout(done, Math.random() * APART * 2 ** tries))
      }
    }
  }

  /** Returns a connection for exclusive use, to be released by the caller. */
  private async connect(): Promise<PoolClient> {
    this.checkOpen()
    try {
      const client = await this.inFlight.track((this.pool ?? (await this.make())).connect())
      // The pool listens only to idle connections, and Node ends a process in which nothing listens to an "error" event. The query
      // that was running, or the next one, reports the loss.
      client.on('error', ignore)
      const { release } = client
      client.release = (error) => {
        client.off('error', ignore)
        // Not every pool sets it anew for the next one who checks the connection out.
        client.release = release
        client.release(error)
      }
      return client
    } catch (error) {
      throw failure(error)
    }
  }

  /**
   * Opens the connection that listens for changes. It stays open as long as changes are watched, so it is not taken from a pool
   * that was given: one with few connections would be used up.
   */
  async listening(): Promise<Listening> {
    this.checkOpen()
    try {
      const { Client, options } = (this.pool ?? (await this.make())) as Pool & {
        Client?: typeof import('pg').Client
      }
      // A pool of another make that does not tell how it connects.
      if (this.listen === undefined && (this.own || Client === undefined || options === undefined)) {
        const client = await this.connect()
        return { client, close: () => client.release(true) }
      }
      const { listen = options } = this
      const config = typeof listen === 'string' ? { connectionString: listen, ...KEPT_ALIVE } : listen
      // The pool of the storage counts its connections already.
      const Listener =
        this.own && Client ? Client : this.connections.counting(Client ?? (await pgOf()).Client)
      const client = new Listener(config as ClientConfig)
      client.on('error', ignore)
      await connectWithin(OPEN, client)
      return { client, close: () => void client.end().catch(ignore) }
    } catch (error) {
      throw failure(error)
    }
  }

  failure(error: unknown): SentinelError {
    return failure(error)
  }

  /** Runs several statements in one transaction, holding the lock of this schema. */
  async alone<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    this.checkOpen()
    const client = await this.connect()
    try {
      // At this level each statement sees what the previous holder of the lock has committed.
      await client.query('BEGIN ISOLATION LEVEL READ COMMITTED')
      await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
        `grammy-sentinel ${this.schema}`,
      ])
      const result = await work(client)
      await client.query('COMMIT')
      client.release()
      return result
    } catch (error) {
      // A connection that cannot even roll back is not used again.
      await client.query('ROLLBACK').then(
        () => client.release(),
        (broken: Error) => client.release(broken),
      )
      throw failure(error)
    }
  }

  /**
   * Waits for statements, and ends our own connections, not a pool that was given. A server that does not answer delays this for
   * seconds only.
   */
  close(): Promise<void> {
    this.ended ??= this.end()
    return this.ended
  }

  private async end(): Promise<void> {
    // If the pool could not be created, its callers have received the error.
    const pool = this.own ? (this.pool ?? (await this.making?.catch(() => undefined))) : undefined
    // An ended pool no longer serves statements that wait for a connection, so they come first. A pool that was given may be ended next by its owner.
    const isInTime = !this.inFlight.any || (await this.inFlight.settled(LEAVE, closedError))
    // The pool waits for transactions however long they take, and not for its connections to be closed. Either could keep the
    // process alive while the server cannot be reached.
    await Promise.all([pool?.end(), this.connections.closed(isInTime ? LEAVE : 0)])
  }

  /** Loads pg and creates the pool, on first use. */
  private make(): Promise<Pool> {
    this.making ??= this.made().finally(() => {
      this.making = undefined
    })
    return this.making
  }

  private async made(): Promise<Pool> {
    const { Client, Pool } = await pgOf()
    const pool = new Pool({ ...this.given, Client: this.connections.counting(Client) } as PoolConfig)
    // A connection that breaks while idle is not used again; the next query shows whether the server is available.
    pool.on('error', ignore)
    this.pool = pool
    return pool
  }

  private checkOpen(): void {
    if (this.closed) throw closedError()
  }
}

/** The error of calls that the storage was closed before or during. */
export function closedError(): SentinelError {
  return new SentinelError('storage.closed', 'postgres: closed. Make a new one with postgres().')
}

async function pgOf() {
  const { default: pg } = await peer('postgres', 'pg', () => import('pg'))
  return pg
}

function ignore(): void {}

/** Returns a query whose result does not depend on parsers set by other code. */
export function asked(text: string, values: readonly unknown[] = []): QueryConfig {
  return { text, values: values as unknown[], types: TYPES }
}
