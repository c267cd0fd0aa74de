import { jest } from '@jest/globals'
import { Pool } from 'pg'
import type { Ask, Plan } from '../../../src/core/check.js'
import { userKey } from '../../../src/core/subject.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { freshName } from '../../servers/shared.js'
import { until } from '../../servers/until.js'
import { closeAll, open, pool, schema, url, useSchemas } from './desk.js'

/* Row-level security hides rows, and hidden marks look as if nobody were blocked. */

const BOT = 42
const MALLORY = userKey(666)
const PLAN: Plan = {
  name: 'chain',
  scopes: ['user'],
  checks: [{ kind: 'absent', guard: 'block', slot: 'block', subject: 0, anyOf: ['blocked'] }],
}
const ASK: Ask = { bot: BOT, subjects: [MALLORY], costs: [1], tokens: [] }
const REFUSED = { code: 'storage.permission', message: expect.stringContaining('row-level security') }

useSchemas('rows')

let role: string
let limited: string
beforeEach(async () => {
  role = freshName('role')
  const own = new URL(url)
  own.username = role
  own.password = ''
  limited = own.href
  const owner = open()
  await owner.marks.put(BOT, 'blocked', [{ key: MALLORY, mark: { since: 1 } }])
  await owner.prepare(PLAN)
  await pool.query(
    `CREATE ROLE ${role} LOGIN; GRANT USAGE ON SCHEMA "${schema}" TO ${role};
     GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "${schema}" TO ${role}`,
  )
})
afterEach(async () => {
  await closeAll()
  await pool.query(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`)
})

const secure = (table: string, how = 'ENABLE') =>
  pool.query(`ALTER TABLE "${schema}".${table} ${how} ROW LEVEL SECURITY`)
const policy = (clause: string) => pool.query(`CREATE POLICY ours ON "${schema}".marks ${clause}`)
const limitedStorage = (): Storage => open({ migrate: false }, limited)
const read = async (storage: Storage) => storage.marks.get(BOT, MALLORY, 'blocked')

test('on any of our tables it is refused by name', async () => {
  const { rows } = await pool.query<{ tablename: string }>(
    'SELECT quote_ident(tablename) AS tablename FROM pg_tables WHERE schemaname = $1',
    [schema],
  )
  expect(rows.length).toBeGreaterThan(10)
  for (const { tablename } of rows) {
    await secure(tablename)
    const storage = limitedStorage()
    await expect(read(storage)).rejects.toMatchObject(REFUSED)
    await expect(read(storage)).rejects.toThrow(new RegExp(`from this role: ${tablename}\\.`))
    expect(await storage.health()).toMatchObject({ ok: false })
    await secure(tablename, 'DISABLE')
  }
})

test('on a table of somebody else in the same schema it is accepted', async () => {
  await pool.query(`CREATE TABLE "${schema}".orders (id int4)`)
  await secure('orders')
  expect(await read(limitedStorage())).toEqual({ since: 1 })
})

test('a role that may not read policies is accepted if none of our tables has row-level security', async () => {
  const database = freshName('hosted')
  await pool.query(`CREATE DATABASE "${database}"`)
  const [hosted, own] = [new URL(url), new URL(limited)]
  hosted.pathname = own.pathname = `/${database}`
  const admin = new Pool({ connectionString: hosted.href, max: 1 })
  try {
    await open({}, hosted.href).marks.put(BOT, 'blocked', [{ key: MALLORY, mark: { since: 1 } }])
    await admin.query(
      `REVOKE SELECT ON pg_policy FROM PUBLIC; GRANT USAGE ON SCHEMA "${schema}" TO ${role};
       GRANT SELECT ON ALL TABLES IN SCHEMA "${schema}" TO ${role}`,
    )
    expect(await read(open({ migrate: false }, own.href))).toEqual({ since: 1 })
  } finally {
    await closeAll()
    await admin.end()
    // Connections may still be closing; the server would end them with an error that nobody handles.
    await until('nobody is connected to it', async () => {
      const { rowCount } = await pool.query('SELECT FROM pg_stat_activity WHERE datname = $1', [database])
      return rowCount === 0
    })
    await pool.query(`DROP DATABASE "${database}"`)
  }
})

test.each([
  ['FOR ALL USING (true)', true],
  ['FOR ALL TO PUBLIC USING (true) WITH CHECK (true)', true],
  ['FOR ALL TO pg_monitor USING (true)', false],
  ['FOR SELECT USING (true)', false],
  ['FOR ALL USING (bot = 1)', false],
  ['AS RESTRICTIVE FOR ALL USING (true)', false],
])('with a policy %s it is accepted: %p', async (clause, accepted) => {
  await secure('marks')
  await policy(clause)
  const reading = read(limitedStorage())
  if (accepted) expect(await reading).toEqual({ since: 1 })
  else await expect(reading).rejects.toMatchObject(REFUSED)
})

test('enabled while a worker runs, it fails the decisions of that worker until it is disabled', async () => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'Date', 'performance'] })
  try {
    const judge = await limitedStorage().prepare(PLAN)
    const decided = async (): Promise<unknown> => {
      jest.advanceTimersByTime(5000)
      return (async () => judge.evaluate(ASK))().then(
        ({ refusedBy }) => refusedBy,
        (error: unknown) => error,
      )
    }
    expect(await decided()).toBe(0)
    await secure('marks')
    await until('decisions fail', async () => (await decided()) instanceof Error)
    expect(await decided()).toMatchObject(REFUSED)
    await secure('marks', 'DISABLE')
    await until('the user is refused again', async () => (await decided()) === 0)
  } finally {
    jest.useRealTimers()
  }
})
