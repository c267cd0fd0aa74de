import type { Pool, PoolClient, PoolConfig, QueryConfig, QueryResultRow } from 'pg'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { peer } from '../../core/peer.js'
import { failure, stateOf } from './failures.js'

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

/** Serialization failure and deadlock. */
const AGAIN: ReadonlySet<string> = new Set(['40001', '40P01'])
const MOST_TRIES = 3
/** After a conflict, each party waits for a random part of this, so that they do not collide again. */
const APART: Ms = 20
/** Shorter than the time after which routers drop idle connections. */
const KEEP_ALIVE: Ms = 30_000

/** The server, accessed through a pool. All queries go through here, so that all failures are reported alike. */
export class Link {
  /** The schema, quoted. */
  readonly s: string
  private ended: Promise<void> | undefined

  private pool: Pool | undefined
  private making: Promise<Pool> | undefined

  private constructor(
    private readonly given: Pool | PoolConfig,
    private readonly own: boolean,
    readonly schema: string,
  ) {
    this.s = `"${schema}"`
    if (!own) this.pool = given as Pool
  }

  static over(connection: string | Pool, schema: string, size: number): Link {
    // pg would interpret an empty text as the local server.
    if (!connection || !(typeof connection === 'string' || typeof connection.query === 'function')) {
      throw new SentinelError(
        'option.invalid',
        'postgres: that is no connection string, such as postgres://bot@localhost/shop, and no Pool. Is the environment variable set?',
      )
    }
    if (typeof connection !== 'string') return new Link(connection, false, schema)
    const config: PoolConfig = {
      connectionString: connection,
      max: size,
      // By default a pool closes connections that are idle for ten seconds, so the first update after a pause would wait for a
      // new one, on a slow line longer than its time-out. Therefore one stays open, and keep-alive packets keep it known to
      // routers.
      min: 1,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE,
      application_name: 'grammy-sentinel',
    }
    return new Link(config, true, schema)
  }

  get closed(): boolean {
    return this.ended !== undefined
  }

  async query<Row extends QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    const { rows } = await this.again((pool) => pool.query<Row>(asked(text, values)))
    return rows
  }

  /** Returns one value as text. The statement is prepared once per connection. */
  async value(name: string, text: string, values: unknown[]): Promise<string> {
    const question = { name, text, values, types: AS_TEXT, rowMode: 'array' }
    const { rows } = await this.again((pool) => pool.query(question))
    return (rows as unknown as string[][])[0]?.[0] as string
  }

  /** Repeats a statement after a conflict between concurrent statements, which leaves nothing done. */
  private async again<T>(call: (pool: Pool) => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      this.checkOpen()
      try {
        return await call(this.pool ?? (await this.make()))
      } catch (error) {
        const told = failure(error)
        if (tries === MOST_TRIES || !AGAIN.has(stateOf(told))) throw told
        await new Promise((done) => setTimeout(done, Math.random() * APART * 2 ** tries))
      }
    }
  }

  /** Returns a connection for exclusive use, to be released by the caller. */
  async connect(): Promise<PoolClient> {
    this.checkOpen()
    try {
      return await (this.pool ?? (await this.make())).connect()
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

  /** Ends the pool if it is our own. */
  close(): Promise<void> {
    this.ended ??= this.own ? this.end() : Promise.resolve()
    return this.ended
  }

  private async end(): Promise<void> {
    // If the pool could not be created, its callers have received the error.
    const pool = this.pool ?? (await this.making?.catch(() => undefined))
    await pool?.end()
  }

  /** Loads pg and creates the pool, on first use. */
  private make(): Promise<Pool> {
    this.making ??= this.made().finally(() => {
      this.making = undefined
    })
    return this.making
  }

  private async made(): Promise<Pool> {
    const { default: pg } = await peer('postgres', 'pg', () => import('pg'))
    const pool = new pg.Pool(this.given as PoolConfig)
    // A connection that breaks while idle is not used again; the next query shows whether the server is available.
    pool.on('error', () => undefined)
    this.pool = pool
    return pool
  }

  private checkOpen(): void {
    if (this.closed) {
      throw new SentinelError('storage.closed', 'postgres: closed. Make a new one with postgres().')
    }
  }
}

/** Returns a query whose result does not depend on parsers set by other code. */
export function asked(text: string, values: readonly unknown[] = []): QueryConfig {
  return { text, values: values as unknown[], types: TYPES }
}
