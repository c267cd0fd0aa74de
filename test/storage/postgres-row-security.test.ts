import { jest } from '@jest/globals'
import type { Ask, Plan } from '../../src/core/check.js'
import { userKey } from '../../src/core/subject.js'
import type { Storage } from '../../src/storage/storage.js'
import { freshName } from '../servers/shared.js'
import { until } from '../servers/until.js'
import { closeAll, open, pool, schema, url, useSchemas } from './postgres-desk.js'

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

test.each(['marks', 'records', 'secrets', 'names', 'versions'])(
  'on table %s it is refused by name',
  async (table) => {
    await secure(table)
    const storage = limitedStorage()
    await expect(read(storage)).rejects.toMatchObject(REFUSED)
    await expect(read(storage)).rejects.toThrow(new RegExp(`from this role: ${table}\\.`))
    expect(await storage.health()).toMatchObject({ ok: false })
  },
)

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
