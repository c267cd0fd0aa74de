import { jest } from '@jest/globals'
import { Pool } from 'pg'
import type { Ask, Judge, Plan } from '../../../src/core/check.js'
import { type Key, userKey } from '../../../src/core/subject.js'
import { type PostgresServer, startPostgres } from '../../servers/postgres.js'
import { until } from '../../servers/until.js'
import { closeAll, open, pool, schema, url, useSchemas } from './desk.js'

/* Records contain the numbers of names and layouts, which must mean the same to all workers. */

const BOT = 42
const [ALICE, BOB] = [userKey(7), userKey(8)] as [Key, Key]

useSchemas('numbers')

const planOf = (name: string, slots: readonly string[], amount = 3): Plan => ({
  name,
  scopes: ['user'],
  checks: slots.map((slot) => ({
    kind: 'bucket',
    guard: 'throttle',
    slot,
    subject: 0,
    limit: { amount, per: 3_600_000 },
  })),
})
const askOf = (key: Key): Ask => ({ bot: BOT, subjects: [key], costs: [1, 1], tokens: [] })

async function admitted(judge: Judge, key: Key, times: number): Promise<number> {
  let count = 0
  for (let i = 0; i < times; i++) if ((await judge.evaluate(askOf(key))).refusedBy === -1) count++
  return count
}

describe('a server to which the rows were copied, but not the states of the sequences', () => {
  const behind = () =>
    pool.query(
      `ALTER SEQUENCE "${schema}".names_id_seq RESTART; ALTER SEQUENCE "${schema}".layouts_id_seq RESTART`,
    )

  beforeEach(async () => {
    await open().prepare(planOf('chain', ['old', 'older']))
    await closeAll()
    await behind()
  })

  test('numbers the names and layouts of new plans', async () => {
    const [first, second] = [open(), open()]
    const plans = ['a', 'b', 'c', 'd'].map((slot) => planOf(slot, [slot, `${slot}2`]))
    const judges = await Promise.all(
      plans.map((plan, index) => (index % 2 === 0 ? first : second).prepare(plan)),
    )
    for (const judge of judges) expect(await admitted(judge, ALICE, 5)).toBe(3)
    // Other workers get the same numbers.
    const [plan] = plans
    if (plan !== undefined) expect(await admitted(await open().prepare(plan), ALICE, 1)).toBe(0)
    const { rows } = await pool.query(
      `SELECT proname FROM pg_proc WHERE pronamespace = $1::regnamespace AND prosrc ~ 'undefined'`,
      [schema],
    )
    expect(rows).toEqual([])
  })

  test('numbers names while another worker inserts some of its own', async () => {
    const storage = open()
    await storage.health()
    const [holder, other] = [await pool.connect(), await pool.connect()]
    try {
      await holder.query('BEGIN')
      await holder.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
        `grammy-sentinel ${schema}`,
      ])
      const preparing = storage.prepare(planOf('chain', ['new', 'newer']))
      const waiting = (type: string) => async () =>
        (
          await pool.query(
            `SELECT FROM pg_locks WHERE NOT granted AND locktype = $1
               AND pid IN (SELECT pid FROM pg_stat_activity WHERE query LIKE '%' || $2 || '%')`,
            [type, schema],
          )
        ).rows.length > 0
      // Other suites on this server wait for locks of their schemas.
      await until('it waits for the lock of the schema', async () => {
        const { rows } = await pool.query(
          `SELECT FROM pg_locks WHERE NOT granted AND locktype = 'advisory'
             AND (classid::bigint << 32) + objid::bigint = hashtextextended($1, 0)`,
          [`grammy-sentinel ${schema}`],
        )
        return rows.length > 0
      })
      await pool.query(`SELECT setval('"${schema}".names_id_seq', (SELECT max(id) FROM "${schema}".names))`)
      await other.query('BEGIN')
      await other.query(`INSERT INTO "${schema}".names (name) VALUES ('a'), ('b'), ('c'), ('d')`)
      await holder.query('COMMIT')
      await until('it waits for the other worker', async () =>
        (await Promise.all([waiting('relation')(), waiting('transactionid')()])).includes(true),
      )
      await other.query('COMMIT')
      expect(await admitted(await preparing, ALICE, 5)).toBe(3)
    } finally {
      holder.release(true)
      other.release(true)
    }
  })

  test('needs no right to the sequences', async () => {
    const role = `${schema}_bot`
    await pool.query(
      `CREATE ROLE "${role}" LOGIN; GRANT USAGE, CREATE ON SCHEMA "${schema}" TO "${role}";
       GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "${schema}" TO "${role}"`,
    )
    const own = new URL(url)
    own.username = role
    own.password = ''
    try {
      const judge = await open({ migrate: false }, own.href).prepare(planOf('new', ['new', 'newer']))
      expect(await admitted(judge, ALICE, 5)).toBe(3)
    } finally {
      await closeAll()
      await pool.query(`DROP OWNED BY "${role}"; DROP ROLE "${role}"`)
    }
  })
})

test('workers insert names and layouts in the same order, so none waits for another in a circle', async () => {
  const slots = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  const storage = open()
  await storage.health()
  await pool.query(`ALTER TABLE "${schema}".names ADD nth serial`)
  await storage.prepare(planOf('chain', [...slots].reverse()))
  const { rows } = await pool.query<{ name: string }>(`SELECT name FROM "${schema}".names ORDER BY nth`)
  const names = rows.map(({ name }) => name)
  expect(names.length).toBeGreaterThan(slots.length)
  expect(names).toEqual([...names].sort())
})

test('a name that gets no number fails the plan, and no function is created for it', async () => {
  const storage = open()
  await storage.health()
  // As if rows could be inserted but not read.
  await pool.query(
    `CREATE FUNCTION "${schema}".lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
     CREATE TRIGGER lose BEFORE INSERT ON "${schema}".names FOR EACH ROW EXECUTE FUNCTION "${schema}".lose()`,
  )
  await expect(storage.prepare(planOf('chain', ['new']))).rejects.toMatchObject({
    code: 'storage.failed',
    message: expect.stringContaining('names'),
  })
  const { rows } = await pool.query(
    `SELECT proname FROM pg_proc WHERE pronamespace = $1::regnamespace AND proname ~ '^judge_'`,
    [schema],
  )
  expect(rows).toEqual([])
})

describe('a standby that was promoted before it had received everything', () => {
  let server: PostgresServer
  let own: Pool
  beforeAll(async () => {
    server = await startPostgres()
    own = new Pool({ connectionString: server.url })
    own.on('error', () => undefined)
  }, 30_000)
  afterAll(async () => {
    await own.end()
    await server.stop()
  })
  beforeEach(() => own.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`))

  /** Returns a function that brings names, layouts, functions and sequences back to their present state. */
  const remembered = async (): Promise<() => Promise<void>> => {
    const functions = async (): Promise<string[]> =>
      (
        await own.query(`SELECT proname FROM pg_proc WHERE pronamespace = $1::regnamespace`, [schema])
      ).rows.map(({ proname }) => proname)
    const last = async (table: string): Promise<number> =>
      (await own.query(`SELECT max(id) AS id FROM "${schema}".${table}`)).rows[0].id
    const before = {
      functions: await functions(),
      names: await last('names'),
      layouts: await last('layouts'),
    }
    return async () => {
      const gone = (await functions()).filter((name) => !before.functions.includes(name))
      for (const name of gone) await own.query(`DROP FUNCTION "${schema}".${name}`)
      for (const table of ['names', 'layouts'] as const) {
        await own.query(`DELETE FROM "${schema}".${table} WHERE id > ${before[table]}`)
        await own.query(`SELECT setval('"${schema}".${table}_id_seq', ${before[table]})`)
      }
      await own.query(`TRUNCATE "${schema}".records, "${schema}".chunks, "${schema}".clocks`)
    }
  }

  test('is not given numbers that it does not have', async () => {
    const storage = open({}, server.url)
    await storage.prepare(planOf('base', ['base']))
    const rollBack = await remembered()
    const alpha = await storage.prepare(planOf('chain', ['alpha', 'alpha2']))
    expect(await admitted(alpha, ALICE, 5)).toBe(3)
    await rollBack()
    // One call fails because the functions are missing.
    await expect(alpha.evaluate(askOf(ALICE))).rejects.toMatchObject({ code: 'storage.failed' })
    expect(await admitted(alpha, ALICE, 5)).toBe(3)
    await storage.reset(BOT, ALICE)
    expect(await admitted(alpha, ALICE, 5)).toBe(3)
    const beta = await open({}, server.url).prepare(planOf('chain', ['beta', 'beta2']))
    expect(await admitted(beta, ALICE, 5)).toBe(3)
  })

  test('does not mix the limits of workers, even if both use the same functions', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'Date', 'performance'] })
    try {
      const storage = open({}, server.url)
      await storage.prepare(planOf('base', ['base']))
      const rollBack = await remembered()
      const alpha = await storage.prepare(planOf('chain', ['alpha', 'alpha2']))
      expect(await admitted(alpha, ALICE, 5)).toBe(3)
      await rollBack()
      await server.restart()
      const beta = await open({}, server.url).prepare(planOf('chain', ['beta', 'beta2']))
      expect(await admitted(beta, BOB, 5)).toBe(3)
      await until('it has noticed', async () => {
        jest.advanceTimersByTime(5000)
        const { rows } = await own.query(`SELECT FROM "${schema}".names WHERE name ~ 'alpha'`)
        if (rows.length === 0) await Promise.allSettled([alpha.peek(askOf(ALICE))])
        return rows.length > 0
      })
      expect(await admitted(alpha, BOB, 5)).toBe(3)
    } finally {
      jest.useRealTimers()
    }
  })

  test('is used like the former server if it has everything', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'Date', 'performance'] })
    try {
      const storage = open({}, server.url)
      const judge = await storage.prepare(planOf('chain', ['alpha', 'alpha2']))
      expect(await admitted(judge, ALICE, 2)).toBe(2)
      const used = async () => (await own.query(`SELECT used_at FROM "${schema}".plans`)).rows
      const before = await used()
      await storage.values.put('space', 'lapsed', 1, Date.now() - 1)
      await server.restart()
      await until('it was looked at, and then swept', async () => {
        jest.advanceTimersByTime(5000)
        return (await own.query(`SELECT FROM "${schema}".values`)).rows.length === 0
      })
      expect(await admitted(judge, ALICE, 2)).toBe(1)
      expect(await used()).toEqual(before)
    } finally {
      jest.useRealTimers()
    }
  })
})
