import type { Ask, Judge, Plan } from '../../src/core/check.js'
import { type Key, userKey } from '../../src/core/subject.js'
import { closeAll, open, pool, schema, url, useSchemas } from './postgres-desk.js'

/* Records contain the numbers of names and layouts, which must mean the same to all workers. */

const BOT = 42
const ALICE = userKey(7)

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
