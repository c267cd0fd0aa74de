import { Pool } from 'pg'
import { sql } from '../../src/cli/sql.js'
import { userKey } from '../../src/core/subject.js'
import { postgres } from '../../src/storage/postgres/index.js'
import { freshName, sharedPostgres } from '../servers/shared.js'

async function printed(...args: string[]): Promise<string> {
  const lines: string[] = []
  const code = await sql.run(args, { env: {}, out: (text) => lines.push(text), err: () => undefined })
  expect(code).toBe(0)
  return lines.join('\n')
}

describe('grammy-sentinel sql', () => {
  test('prints statements that set up an empty server in one transaction', async () => {
    const pool = new Pool({ connectionString: await sharedPostgres(), max: 2 })
    const schema = freshName('cli')
    try {
      await pool.query(await printed('--schema', schema))
      const storage = postgres(pool, { schema, migrate: false })
      await storage.marks.put(1, 'vip', [{ key: userKey(1), mark: { since: 1 } }])
      expect(await storage.marks.get(1, userKey(1), 'vip')).toEqual({ since: 1 })
      await storage.close()
    } finally {
      await pool.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`)
      await pool.end()
    }
  })

  test('prints statements that need no right on the database if the schema exists', async () => {
    const url = await sharedPostgres()
    const pool = new Pool({ connectionString: url, max: 2 })
    const [schema, role] = [freshName('cli'), freshName('role')]
    const limited = new URL(url)
    limited.username = role
    limited.password = ''
    await pool.query(`CREATE ROLE ${role} LOGIN; CREATE SCHEMA "${schema}" AUTHORIZATION ${role}`)
    const own = new Pool({ connectionString: limited.href, max: 1 })
    try {
      await own.query(await printed('--schema', schema))
      const { rows } = await pool.query(`SELECT version FROM "${schema}".versions`)
      expect(rows).toEqual([{ version: 1 }])
    } finally {
      await own.end()
      await pool.query(
        `DROP SCHEMA IF EXISTS "${schema}" CASCADE; DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`,
      )
      await pool.end()
    }
  })

  test('prints an empty transaction if nothing is missing', async () => {
    expect(await printed('--from', '1')).toBe('BEGIN;\n\nCOMMIT;')
    expect(await printed()).toContain('CREATE SCHEMA IF NOT EXISTS "grammy_sentinel"')
  })

  test.each([
    [['--schema', 'x"; DROP TABLE y']],
    [['--from', 'yesterday']],
    [['--from', '-1']],
    [['--from', '99']],
  ])('refuses %j', async (args) => {
    await expect((async () => printed(...args))()).rejects.toThrow(/schema|version|argument/)
  })
})
