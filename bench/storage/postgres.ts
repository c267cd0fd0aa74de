import { postgres } from 'grammy-sentinel/postgres'
import { Pool } from 'pg'
import { RateLimiterPostgres } from 'rate-limiter-flexible'
import type { PostgresServer } from '../../test/servers/postgres.js'
import { type Finding, median } from '../compare.js'
import { BOT, buckets, CHAIN, registered, USERS } from './chain.js'
import { onCoresOfTheirOwn } from './cores.js'
import { type Contender, latency, next, ours, type Rounds, rates } from './load.js'

const SCHEMA = 'bench_sentinel'
const CONNECTIONS = 10

/** The chain written by hand: four prepared queries in sequence. As in our storage, tables of counters are unlogged. */
async function naive(pool: Pool): Promise<Contender> {
  await pool.query(`
    CREATE SCHEMA ${SCHEMA}_naive;
    SET search_path TO ${SCHEMA}_naive;
    CREATE TABLE blocked (id int8 PRIMARY KEY);
    CREATE TABLE registered (id int8 PRIMARY KEY);
    CREATE UNLOGGED TABLE seen (id int8 PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());
    CREATE UNLOGGED TABLE hits (id int8 PRIMARY KEY, n int8 NOT NULL) WITH (fillfactor = 60);
    INSERT INTO registered SELECT generate_series(1, ${USERS});
    RESET search_path;`)
  const s = `${SCHEMA}_naive`
  const ask = (name: string, text: string, value: number) => pool.query({ name, text, values: [value] })
  return {
    name: 'naive chain of four prepared queries',
    async once(nth) {
      const user = 1 + (nth % USERS)
      const blocked = await ask('blocked', `SELECT 1 FROM ${s}.blocked WHERE id = $1`, user)
      if (blocked.rowCount !== 0) throw new Error('blocked')
      const known = await ask('known', `SELECT 1 FROM ${s}.registered WHERE id = $1`, user)
      if (known.rowCount === 0) throw new Error('not registered')
      const first = await ask('once', `INSERT INTO ${s}.seen (id) VALUES ($1) ON CONFLICT DO NOTHING`, nth)
      if (first.rowCount === 0) throw new Error('twice')
      const { rows } = await ask(
        'hit',
        `INSERT INTO ${s}.hits AS h VALUES ($1, 1) ON CONFLICT (id) DO UPDATE SET n = h.n + 1 RETURNING n`,
        user,
      )
      if (Number(rows[0]?.n) > 1e9) throw new Error('too many')
    },
  }
}

function flexible(pool: Pool): Promise<Contender> {
  return new Promise((resolve, reject) => {
    const limiter = new RateLimiterPostgres(
      {
        storeClient: pool,
        points: 30_000_000,
        duration: 60,
        tableName: 'bench_flexible',
        schemaName: `${SCHEMA}_naive`,
        clearExpiredByTimeout: false,
      },
      (error?: Error) => {
        if (error !== undefined && error !== null) reject(error)
        else {
          resolve({
            name: 'rate-limiter-flexible',
            once: async (nth) => limiter.consume(String(1 + (nth % USERS))),
          })
        }
      },
    )
  })
}

/** Compares the storage to hand-written solutions, in turn and in many rounds. */
export async function benchPostgres({ url, pid }: PostgresServer, rounds: Rounds): Promise<Finding[]> {
  const pool = new Pool({ connectionString: url, max: CONNECTIONS })
  const clear = (): Promise<unknown> =>
    pool.query(`DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE; DROP SCHEMA IF EXISTS ${SCHEMA}_naive CASCADE`)
  await clear()
  const storage = postgres(url, { schema: SCHEMA })
  try {
    await storage.marks.put(BOT, 'registered', registered())
    const chain = await ours(storage, 'grammy-sentinel', CHAIN)
    const two = await ours(storage, 'two buckets', buckets(2))
    const ten = await ours(storage, 'ten buckets', buckets(10))
    const one: Contender = {
      name: 'SELECT 1',
      once: () => pool.query({ name: 'one', text: 'SELECT 1' }),
    }
    const four = await naive(pool)
    const limiter = await flexible(pool)
    await pool.query('ANALYZE')
    const ratio = async (
      inFlight: number,
      contenders: readonly Contender[],
    ): Promise<(name: string) => number> => {
      const found = await rates(contenders, inFlight, rounds)
      for (const [name, value] of found) console.log(`${inFlight} in flight: ${name}: ${Math.round(value)}/s`)
      return (name) => (found.get(chain.name) as number) / (found.get(name) as number)
    }
    const at32 = await ratio(32, [chain, four, limiter])
    const at256 = await ratio(256, [chain, four])
    const checks = await rates([two, ten], 64, rounds)
    for (const [name, value] of checks) console.log(`64 in flight: ${name}: ${Math.round(value)}/s`)
    onCoresOfTheirOwn(pid)
    const ours50: number[] = []
    const theirs50: number[] = []
    for (let round = 0; round < rounds.rounds; round++) {
      ours50.push(await latency(chain, 2000, next(2000)))
      theirs50.push(await latency(one, 2000, next(2000)))
    }
    console.log(`one in flight: ${median(ours50).toFixed(0)} us, SELECT 1 ${median(theirs50).toFixed(0)} us`)
    return [
      {
        what: 'Postgres, 32 in flight, against four queries',
        measured: at32(four.name),
        unit: 'x',
        least: 8,
      },
      {
        what: 'Postgres, 32 in flight, against rate-limiter-flexible',
        measured: at32(limiter.name),
        unit: 'x',
        least: 4,
      },
      {
        what: 'Postgres, 256 in flight, against four queries',
        measured: at256(four.name),
        unit: 'x',
        least: 10,
      },
      {
        what: 'Postgres, ten checks against two, 64 in flight',
        measured: (checks.get(two.name) as number) / (checks.get(ten.name) as number),
        unit: 'x',
        most: 1.6,
      },
      {
        what: 'Postgres, p50 of one in flight, against SELECT 1',
        measured: median(ours50) / median(theirs50),
        unit: 'x',
        most: 3,
      },
    ]
  } finally {
    await storage.close()
    await clear()
    await pool.end()
  }
}
