import { jest } from '@jest/globals'
import { Pool } from 'pg'
import type { Judge, Plan } from '../../../src/core/check.js'
import type { SentinelError } from '../../../src/core/errors.js'
import { userKey } from '../../../src/core/subject.js'
import type { StorageChange } from '../../../src/storage/contract/changes.js'
import { postgres } from '../../../src/storage/postgres/index.js'
import { migrationSql } from '../../../src/storage/postgres/migrations.js'
import { freshName } from '../../servers/shared.js'
import { until } from '../../servers/until.js'
import {
  admitted,
  askOf,
  bucket,
  closeAll,
  once,
  open,
  planOf,
  pool,
  schema,
  url,
  useSchemas,
} from './desk.js'

const START = 1_795_000_000_000
useSchemas('serve')

test('after an idle period no update waits for a new connection', async () => {
  const named = new URL(url)
  named.searchParams.set('application_name', schema)
  const storage = open({}, named.href)
  const processes = async (): Promise<unknown[]> => {
    await storage.health()
    const { rows } = await pool.query('SELECT pid FROM pg_stat_activity WHERE application_name = $1', [
      schema,
    ])
    return rows
  }
  // Only timers that are set from here on are fake: the pool's own.
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'Date', 'performance'] })
  try {
    await storage.prepare(planOf(bucket(5, 1000)))
    const before = await processes()
    expect(before).toHaveLength(1)
    jest.advanceTimersByTime(60_000)
    expect(await processes()).toEqual(expect.arrayContaining(before))
  } finally {
    jest.useRealTimers()
  }
})

describe('many workers', () => {
  test('ten that start at once on an empty server set it up once, and all can work', async () => {
    const workers = Array.from({ length: 10 }, () => open({ connections: 2 }))
    const judges = await Promise.all(workers.map((worker) => worker.prepare(planOf(bucket(5, 3_600_000)))))
    const counts = await Promise.all(judges.map((judge) => admitted(judge, [askOf(userKey(1))])))
    expect(counts.reduce((a, b) => a + b, 0)).toBe(5)
    const { rows } = await pool.query(`SELECT version FROM "${schema}".versions`)
    expect(rows).toEqual([{ version: 1 }])
  })

  test('eight workers that hammer one key on the clock of the server admit exactly what the limit allows', async () => {
    const workers = await Promise.all(
      Array.from({ length: 8 }, () =>
        open({ connections: 2 }).prepare(planOf(bucket(100, 366 * 86_400_000))),
      ),
    )
    const hammer = async (judge: Judge): Promise<number> => {
      let count = 0
      for (let round = 0; round < 6; round++)
        count += await admitted(judge, Array(20).fill(askOf(userKey(7))))
      return count
    }
    const counts = await Promise.all(workers.map(hammer))
    expect(counts.reduce((a, b) => a + b, 0)).toBe(100)
  })

  test('batches do not deadlock, whatever the order of their users', async () => {
    const plan = planOf(bucket(1000, 3_600_000), once)
    const judges = await Promise.all(Array.from({ length: 6 }, () => open({ connections: 2 }).prepare(plan)))
    const users = Array.from({ length: 40 }, (_, index) => userKey(index + 1))
    let token = 0
    const counts = await Promise.all(
      judges.map((judge, nth) => {
        const order = nth % 2 === 0 ? users : [...users].reverse()
        return admitted(
          judge,
          order.map((user) => askOf(user, token++)),
        )
      }),
    )
    expect(counts).toEqual(judges.map(() => 40))
  })
})

describe('another session', () => {
  test('that locks a record of an ask, and waits for another, only delays the ask', async () => {
    const storage = open()
    const judge = await storage.prepare(planOf(bucket(5, 3_600_000), once))
    await judge.evaluate(askOf(userKey(1), 1))
    const other = await pool.connect()
    try {
      await other.query('BEGIN')
      await other.query(`SELECT FROM "${schema}".chunks FOR UPDATE`)
      const asked = judge.evaluate(askOf(userKey(1), 2))
      await until('the ask waits', async () => {
        const { rows } = await pool.query(
          `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1`,
          [`%${schema}%`],
        )
        return rows.length > 0
      })
      // Now each waits for the other: the server cancels the request, which is repeated.
      await other.query(`SELECT FROM "${schema}".records FOR UPDATE`)
      await other.query('COMMIT')
      expect((await asked).refusedBy).toBe(-1)
    } finally {
      other.release()
    }
  })
})

describe('the clock of the server', () => {
  test('is in the receipt, and time continues when it is put back', async () => {
    const storage = open()
    const judge = await storage.prepare(planOf(bucket(1, 3_600_000)))
    const before = Date.now()
    const { receipt } = await judge.evaluate(askOf(userKey(1)))
    expect(Math.abs((receipt?.at ?? 0) - before)).toBeLessThan(60_000)
    // As if the clock had been an hour and a half ahead, and was put right: the bucket has refilled since.
    await pool.query(`UPDATE "${schema}".clocks SET high = high + 5400000`)
    expect((await judge.evaluate(askOf(userKey(1)))).refusedBy).toBe(-1)
    const { refusedBy, retryAfterMs } = await judge.evaluate(askOf(userKey(1)))
    expect(refusedBy).toBe(0)
    expect(retryAfterMs).toBeGreaterThan(3_590_000)
    expect(retryAfterMs).toBeLessThanOrEqual(3_600_000)
  })
})

describe('one record that cannot be read', () => {
  const spoil = async (sql: string, amount = 1): Promise<{ errors: SentinelError[]; refusals: number[] }> => {
    const errors: SentinelError[] = []
    const storage = open({ clock: () => START, onError: (error) => errors.push(error) })
    const judge = await storage.prepare(planOf(bucket(amount, 3_600_000), once))
    let token = 0
    for (let id = 1; id <= 9; id++) await judge.evaluate(askOf(userKey(id), token++))
    await pool.query(sql)
    const asks = Array.from({ length: 9 }, (_, index) => askOf(userKey(index + 1), token++))
    const decisions = await Promise.all(asks.map((ask) => judge.evaluate(ask)))
    return { errors, refusals: decisions.map(({ refusedBy }) => refusedBy) }
  }

  test('is deleted and reported, and the others of its batch are decided normally', async () => {
    const { errors, refusals } = await spoil(
      `UPDATE "${schema}".records SET state = state || '{5,5,9223372036854775807,1}'::int8[]
       WHERE subject = (SELECT subject FROM "${schema}".records ORDER BY subject OFFSET 4 LIMIT 1)`,
    )
    expect(refusals.map((by, index) => (index === 4 ? 'spoilt' : by))).toEqual([
      0,
      0,
      0,
      0,
      'spoilt',
      0,
      0,
      0,
      0,
    ])
    expect(errors.length).toBeLessThanOrEqual(1)
  })

  test.each([
    ['too short', `state = '{}'`],
    ['only NULL', `state = '{NULL}'`],
    ['of an unknown layout', 'layout = 99999'],
    ['with sections of no length', `state = state || '{5,9999999999999,-1,3}'::int8[]`],
    ['with sections that are cut off', `state = state || '{5,9999999999999,100000,3}'::int8[]`],
  ])('%s is ignored, or what can be read of it is kept', async (_, change) => {
    const { refusals } = await spoil(
      `UPDATE "${schema}".records SET ${change}
       WHERE subject = (SELECT subject FROM "${schema}".records ORDER BY subject OFFSET 4 LIMIT 1)`,
    )
    expect(refusals.filter((_, index) => index !== 4)).toEqual(Array(8).fill(0))
    expect([-1, 0]).toContain(refusals[4])
  })

  test('that is a chunk of claims is deleted and reported, too', async () => {
    const { errors, refusals } = await spoil(`UPDATE "${schema}".chunks SET bits = '\\x00'`, 5)
    expect(errors).toMatchObject([{ code: 'storage.failed' }])
    expect(refusals).toEqual(Array(9).fill(-1))
  })
})

describe('the functions of plans', () => {
  const handlers = Array.from({ length: 30 }, (_, nth) => ({
    ...planOf(bucket(1, 3_600_000, `limit ${nth}`), once),
    name: `handler ${nth}`,
  }))

  /** A pool that records its statements. */
  function noted(): { pool: Pool; statements: string[] } {
    const own = new Pool({ connectionString: url, max: 4 })
    const statements: string[] = []
    own.on('connect', (client) => {
      const { query } = client
      client.query = ((...args: Parameters<typeof query>) => {
        const [asked] = args as readonly unknown[]
        statements.push(typeof asked === 'string' ? asked : String((asked as { text?: string }).text))
        return query.apply(client, args)
      }) as typeof query
    })
    return { pool: own, statements }
  }

  test('of many handlers that are first used at once are looked up and created together', async () => {
    const { pool: own, statements } = noted()
    try {
      for (const [when, most] of [
        ['on an empty server', 20],
        ['by the next process', 4],
      ] as const) {
        const storage = open({}, own)
        await storage.health()
        statements.length = 0
        const judges = await Promise.all(handlers.map((plan) => storage.prepare(plan)))
        expect([when, statements.length <= most ? 'few' : statements]).toEqual([when, 'few'])
        for (const [nth, judge] of judges.entries()) {
          expect(await admitted(judge, [askOf(userKey(1), nth), askOf(userKey(1), nth + 100)])).toBe(
            when === 'on an empty server' ? 1 : 0,
          )
        }
      }
    } finally {
      await closeAll()
      await own.end()
    }
  })

  test('are created by one of several workers that need them at once', async () => {
    const { pool: own, statements } = noted()
    const lock = await pool.connect()
    try {
      const workers = [open({}, own), open({}, own), open({}, own)]
      for (const worker of workers) await worker.health()
      await lock.query('BEGIN')
      await lock.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`grammy-sentinel ${schema}`])
      const preparing = Promise.all(workers.map((worker) => worker.prepare(handlers[0] as Plan)))
      await until('all of them wait for the lock', () => {
        return statements.filter((text) => text.includes('pg_advisory_xact_lock')).length >= 3
      })
      await lock.query('COMMIT')
      for (const judge of await preparing) expect(judge).toBeDefined()
      expect(statements.filter((text) => text.startsWith('CREATE OR REPLACE'))).toHaveLength(1)
    } finally {
      lock.release()
      await closeAll()
      await own.end()
    }
  })
})

describe('a role that may not change the schema', () => {
  test('gets an error that says how to run the migrations, until that is done', async () => {
    await expect(open({ migrate: false }).marks.get(1, userKey(1), 'x')).rejects.toMatchObject({
      code: 'storage.failed',
      message: expect.stringMatching(/grammy-sentinel sql --schema/),
    })
    await pool.query(migrationSql(schema))
    expect(await open({ migrate: false }).marks.get(1, userKey(1), 'x')).toBeUndefined()
  })

  test('may still set up a schema that was created for it', async () => {
    const role = freshName('role')
    await pool.query(`CREATE ROLE ${role} LOGIN; CREATE SCHEMA "${schema}" AUTHORIZATION ${role}`)
    const limited = new URL(url)
    limited.username = role
    limited.password = ''
    try {
      const judge = await open({}, limited.href).prepare(planOf(bucket(1, 3_600_000)))
      expect(await admitted(judge, [askOf(userKey(1)), askOf(userKey(1))])).toBe(1)
    } finally {
      await closeAll()
      await pool.query(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`)
    }
  })

  test('gets the statements that create the functions of a plan, and can use all other plans', async () => {
    const role = freshName('role')
    await pool.query(`${migrationSql(schema)}
      CREATE ROLE ${role} LOGIN;
      GRANT USAGE ON SCHEMA "${schema}" TO ${role};
      GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "${schema}" TO ${role};`)
    const limited = new URL(url)
    limited.username = role
    limited.password = ''
    try {
      const storage = open({}, limited.href)
      const there = { ...planOf(bucket(2, 1000)), name: 'there' }
      await open().prepare(there)
      const plans = [planOf(bucket(1, 1000)), there, { ...planOf(bucket(3, 1000)), name: 'another' }]
      const prepared = await Promise.allSettled(plans.map(async (plan) => storage.prepare(plan)))
      expect(prepared.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected'])
      const failure = (prepared[0] as PromiseRejectedResult).reason
      expect(failure).toMatchObject({
        code: 'storage.permission',
        message: expect.stringContaining('plan "chain"'),
      })
      const statements = failure.message.slice(failure.message.indexOf('CREATE OR REPLACE FUNCTION'))
      await pool.query(statements)
      const judge = await storage.prepare(planOf(bucket(1, 1000)))
      expect(await admitted(judge, [askOf(userKey(1)), askOf(userKey(1))])).toBe(1)
    } finally {
      await closeAll()
      await pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
    }
  })
})

describe('the connection', () => {
  test('that cannot be opened is reported without the password', async () => {
    const storage = open({}, 'postgres://somebody:hunter2@127.0.0.1:1/nowhere')
    const failure = await (async () => storage.prepare(planOf()))().catch((error) => error)
    expect(failure).toMatchObject({ code: 'storage.unavailable' })
    expect(JSON.stringify([failure.message, failure.stack, failure.cause])).not.toMatch(/hunter2/)
    expect((await storage.health()).ok).toBe(false)
  })

  test('of an unknown user, or to a missing database, is reported with advice', async () => {
    const nowhere = new URL(url)
    nowhere.pathname = '/no_such_database'
    await expect((async () => open({}, nowhere.href).prepare(planOf()))()).rejects.toMatchObject({
      code: 'storage.failed',
      message: expect.stringMatching(/create it/),
    })
  })

  test('is closed with the storage if it was its own, and left alone if it was given', async () => {
    const given = postgres(pool, { schema })
    await given.prepare(planOf(bucket(1, 1000)))
    await given.watch(() => undefined)
    await given.close()
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    const name = `${schema}_own`
    const own = postgres(`${url}?application_name=${name}`, { schema })
    await own.prepare(planOf(bucket(1, 1000)))
    await own.watch(() => undefined)
    const connected = async (): Promise<number> => {
      const { rows } = await pool.query(
        `SELECT count(*)::int AS n FROM pg_stat_activity WHERE query LIKE $1 AND pid <> pg_backend_pid()`,
        [`%${schema}%`],
      )
      return rows[0].n
    }
    await own.close()
    await until('all connections are closed', async () => (await connected()) === 0)
  })

  test('of a watch is reopened when it is lost, and reports that changes may have been missed', async () => {
    const changes: StorageChange[] = []
    const storage = open()
    await storage.watch((change) => changes.push(change))
    await pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND query LIKE $1`,
      [`%${schema}%`],
    )
    await until('a gap is told', () => changes.some(({ kind }) => kind === 'gap'))
    await storage.marks.put(1, 'blocked', [{ key: userKey(1), mark: { since: 1 } }])
    await until('marks are told', () => changes.some(({ kind }) => kind === 'marks'))
  })

  test('that breaks during an ask rejects it, and the next is answered', async () => {
    const storage = open()
    const judge = await storage.prepare(planOf(bucket(5, 3_600_000)))
    await judge.evaluate(askOf(userKey(1)))
    const name = 'grammy-sentinel'
    await pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND query LIKE $2`,
      [name, `%${schema}%`],
    )
    await until('an ask is answered', async () => {
      try {
        return (await judge.evaluate(askOf(userKey(1)))).refusedBy === -1
      } catch (error) {
        expect(error).toMatchObject({ code: 'storage.unavailable' })
        return false
      }
    })
  })
})

test.each(['', 'Upper', 'a b', 'x"; DROP TABLE users; --', 'pg_own', 'a'.repeat(42), '1st'])(
  'refuses a schema called %j',
  (name) => {
    expect(() => postgres(url, { schema: name })).toThrow(/postgres\.schema/)
  },
)

test.each([undefined, '', 5432, {}])(
  'refuses %p as a connection string: pg would connect to this machine',
  (given) => {
    expect(() => postgres(given as never)).toThrow(expect.objectContaining({ code: 'option.invalid' }))
  },
)

test.each([0, 1, 1.5, Number.NaN])('refuses to work with %p connections', (connections) => {
  expect(() => postgres(url, { connections })).toThrow(/postgres\.connections/)
})
