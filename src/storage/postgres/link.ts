import type { Pool, PoolClient, PoolConfig, QueryConfig, QueryResultRow } from 'pg'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { peer } from '../../core/peer.js'
import { failure, stateOf } from './failures.js'

/** Answers as text: numbers are read by whoever knows what they are. */
const AS_TEXT = { getTypeParser: () => (value: string) => value } as never

/** How values of each type are read. The parsers of pg are one set for the whole process, which others may change. */
const TYPES = {
  getTypeParser: (type: number) =>
    type === 16
      ? (value: string) => value === 't'
      : type === 21 || type === 23 || type === 701
        ? Number
        : (value: string) => value,
} as never

/** Serialization failure, deadlock. */
const AGAIN: ReadonlySet<string> = new Set(['40001', '40P01'])
const MOST_TRIES = 3
/** After a conflict each waits for a random part of this, so that the two do not collide again. */
const APART: Ms = 20
/** Less than after what routers forget connections. */
const KEEP_ALIVE: Ms = 30_000

/** The server, by way of a pool: every query of ours goes through here, so that every failure is told in one way. */
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
    // pg would take an empty text for the server on this machine.
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
      // By default a pool closes what is idle for ten seconds: the first update after a quiet moment would wait until there is
      // a connection, on a slow line for longer than it may. One stays, and shows to all in between that it is alive.
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

  /** One value, as text; the statement is prepared once on every connection. */
  async value(name: string, text: string, values: unknown[]): Promise<string> {
    const question = { name, text, values, types: AS_TEXT, rowMode: 'array' }
    const { rows } = await this.again((pool) => pool.query(question))
    return (rows as unknown as string[][])[0]?.[0] as string
  }

  /** Once more where nothing was done: two who wanted the same rows at one time. A statement is done as a whole, or not. */
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

  /** A connection of one's own, to be released. */
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

  /** Several statements in one transaction, alone among all that take the lock of this schema. */
  async alone<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    this.checkOpen()
    const client = await this.connect()
    try {
      // A snapshot from before the lock would not show what whoever had it has done.
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

  /** Ends the pool, if it is ours. */
  close(): Promise<void> {
    this.ended ??= this.own ? this.end() : Promise.resolve()
    return this.ended
  }

  private async end(): Promise<void> {
    // One that could not be made need not be ended; whoever asked for it was told.
    const pool = this.pool ?? (await this.making?.catch(() => undefined))
    await pool?.end()
  }

  /** Loads pg and makes the pool, when it is first used. */
  private make(): Promise<Pool> {
    this.making ??= this.made().finally(() => {
      this.making = undefined
    })
    return this.making
  }

  private async made(): Promise<Pool> {
    const { default: pg } = await peer('postgres', 'pg', () => import('pg'))
    const pool = new pg.Pool(this.given as PoolConfig)
    // A connection that breaks while idle is not used again; the next question tells whether the server is there.
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

/** A query whose answer does not depend on the process. */
export function asked(text: string, values: readonly unknown[] = []): QueryConfig {
  return { text, values: values as unknown[], types: TYPES }
}
