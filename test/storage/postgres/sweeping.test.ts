import { Pool } from 'pg'
import { userKey } from '../../../src/core/subject.js'
import { Link } from '../../../src/storage/postgres/link.js'
import { Sweeper } from '../../../src/storage/postgres/sweeper.js'
import { freshName } from '../../servers/shared.js'
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
useSchemas('sweep')

describe('expired data', () => {
  test('is deleted, and nothing else is', async () => {
    let now = START
    const storage = open({ clock: () => now })
    const judge = await storage.prepare(planOf(bucket(1, 1000), once))
    for (let id = 1; id <= 50; id++) await judge.evaluate(askOf(userKey(id), id))
    await storage.marks.put(42, 'blocked', [
      { key: userKey(1), mark: { since: now, until: now + 1000 } },
      { key: userKey(2), mark: { since: now } },
    ])
    await storage.values.put('space', 'short', 1, now + 1000)
    await storage.values.put('space', 'long', 1)
    const link = Link.over(pool, schema, 2)
    const sweeper = new Sweeper(
      link,
      () => now,
      false,
      () => [],
      () => undefined,
    )
    expect(await sweeper.sweep()).toBe(0)
    now += 3_600_000
    await judge.evaluate(askOf(userKey(51), 51))
    now += 1000
    // All records but one, a mark and a value. The chunk has just been used.
    expect(await sweeper.sweep()).toBe(52)
    expect((await judge.peek(askOf(userKey(51), 51))).refusedBy).toBe(1)
    const { rows } = await pool.query(`SELECT count(*)::int AS n FROM "${schema}".records`)
    expect(rows[0].n).toBe(1)
  })

  test('records end by the time of their bot, which is ahead once the clock of the server was put back', async () => {
    const judge = await open().prepare(planOf(bucket(1, 1000), once))
    await judge.evaluate(askOf(userKey(1), 1))
    await judge.evaluate({ ...askOf(userKey(1), 1), bot: 43 })
    const hour = 3_600_000
    await pool.query(`UPDATE "${schema}".clocks SET skew = ${2 * hour} WHERE bot = 42`)
    const end = Date.now() + hour
    await pool.query(
      `UPDATE "${schema}".records SET expires = ${end}; UPDATE "${schema}".chunks SET lapses = ${end}`,
    )
    const none = () => []
    await new Sweeper(Link.over(pool, schema, 2), undefined, false, none, () => undefined).sweep()
    for (const table of ['records', 'chunks']) {
      const { rows } = await pool.query(`SELECT DISTINCT bot::int4 FROM "${schema}".${table}`)
      expect([table, rows]).toEqual([table, [{ bot: 43 }]])
    }
  })

  test('a part in which such records cannot be swept does not keep the next part from being swept', async () => {
    const link = Link.over(pool, schema, 2)
    const starts: unknown[] = []
    link.value = async (_name, _text, [, start]) => {
      starts.push(start)
      return '(0,0,0,0,2000)'
    }
    link.query = async () => {
      throw new Error('refused')
    }
    const none = () => []
    const sweeper = new Sweeper(link, undefined, false, none, () => undefined)
    for (let i = 0; i < 2; i++) await expect(sweeper.sweep()).rejects.toThrow('refused')
    expect(starts).toEqual(['0', '512'])
  })

  test('functions unused for a week are dropped, and created again when needed', async () => {
    const storage = open()
    const judge = await storage.prepare(planOf(bucket(5, 3_600_000)))
    await pool.query(`UPDATE "${schema}".plans SET used_at = now() - interval '8 days'`)
    const other = new Sweeper(
      Link.over(pool, schema, 2),
      undefined,
      true,
      () => [],
      () => undefined,
    )
    await other.touch()
    const count = async (): Promise<number> => {
      const found = await pool.query(
        `SELECT count(*)::int AS n FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace
         WHERE nspname = $1 AND proname ~ '^(judge|plain|quick|usual)_'`,
        [schema],
      )
      return found.rows[0].n
    }
    expect(await count()).toBe(0)
    expect(await admitted(judge, [askOf(userKey(1))])).toBe(1)
    expect(await count()).toBe(4)
  })

  test('functions of another owner are dropped in a schema that belongs to this role', async () => {
    const role = freshName('role')
    await open().prepare(planOf(bucket(5, 3_600_000)))
    await pool.query(
      `CREATE ROLE ${role} LOGIN; ALTER SCHEMA "${schema}" OWNER TO ${role};
       GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "${schema}" TO ${role};
       UPDATE "${schema}".plans SET used_at = now() - interval '8 days'`,
    )
    const limited = new URL(url)
    limited.username = role
    limited.password = ''
    const own = new Pool({ connectionString: limited.href, max: 2 })
    try {
      const none = () => []
      await new Sweeper(Link.over(own, schema, 2), undefined, true, none, () => undefined).touch()
      const { rows } = await pool.query(
        `SELECT proname FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace
         WHERE nspname = $1 AND proname ~ '^(judge|plain|quick|usual)_'`,
        [schema],
      )
      expect(rows).toEqual([])
    } finally {
      await closeAll()
      await own.end()
      await pool.query(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`)
    }
  })

  test('functions of another owner do not keep those of this role from being dropped', async () => {
    const role = freshName('role')
    await open().prepare(planOf(bucket(5, 3_600_000)))
    await pool.query(
      `CREATE ROLE ${role} LOGIN; GRANT USAGE, CREATE ON SCHEMA "${schema}" TO ${role};
       GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "${schema}" TO ${role}`,
    )
    const limited = new URL(url)
    limited.username = role
    limited.password = ''
    const own = new Pool({ connectionString: limited.href, max: 2 })
    try {
      await open({}, limited.href).prepare(planOf(bucket(7, 3_600_000)))
      await pool.query(`UPDATE "${schema}".plans SET used_at = now() - interval '8 days'`)
      const none = () => []
      await new Sweeper(Link.over(own, schema, 2), undefined, true, none, () => undefined).touch()
      const { rows } = await pool.query(
        `SELECT rolname = $2 AS own FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace JOIN pg_roles r ON r.oid = proowner
         WHERE nspname = $1 AND proname ~ '^(judge|plain|quick|usual)_'`,
        [schema, role],
      )
      expect(rows).toEqual(Array(4).fill({ own: false }))
      expect((await pool.query(`SELECT FROM "${schema}".plans`)).rows).toHaveLength(4)
    } finally {
      await closeAll()
      await own.end()
      await pool.query(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`)
    }
  })
})
