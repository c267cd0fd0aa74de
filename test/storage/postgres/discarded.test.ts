import { Pool } from 'pg'
import type { Plan } from '../../../src/core/check.js'
import { userKey } from '../../../src/core/subject.js'
import { failure } from '../../../src/storage/postgres/failures.js'
import { open, url, useSchemas } from './desk.js'

/* The storage prepares its statements once per connection, and something else discards them. */

useSchemas('discard')

const PLAN: Plan = {
  name: 'chain',
  scopes: ['user'],
  checks: [
    {
      kind: 'bucket',
      guard: 'throttle',
      slot: 'bucket',
      subject: 0,
      limit: { amount: 20, per: 3_600_000 },
    },
  ],
}

test('an application that cleans all connections of its pool takes no update from the limits', async () => {
  const pool = new Pool({ connectionString: url, max: 6 })
  let connections = 0
  pool.on('connect', () => connections++)
  try {
    const judge = await open({}, pool).prepare(PLAN)
    const ask = { bot: 42, subjects: [userKey(7)], costs: [1], tokens: [] }
    const decisions = []
    for (let i = 0; i < 30; i++) {
      const clients = await Promise.all(Array.from({ length: 6 }, () => pool.connect()))
      for (const client of clients) {
        await client.query('DISCARD ALL')
        client.release()
      }
      decisions.push(await judge.evaluate(ask))
    }
    expect(decisions.filter(({ refusedBy }) => refusedBy === -1)).toHaveLength(20)
    // The pool closes a connection whose query failed, which happens once.
    expect(connections).toBeLessThanOrEqual(7)
  } finally {
    await pool.end()
  }
})

test('statements that another process has prepared on the same connection, as behind PgBouncer, fail no update', async () => {
  const [before, pool] = [
    new Pool({ connectionString: url, max: 1 }),
    new Pool({ connectionString: url, max: 1 }),
  ]
  const ask = { bot: 42, subjects: [userKey(8)], costs: [1], tokens: [] }
  try {
    await (await open({}, before).prepare(PLAN)).evaluate(ask)
    const { rows } = await before.query<{ name: string }>('SELECT name FROM pg_prepared_statements')
    expect(rows.length).toBeGreaterThan(0)
    for (const { name } of rows) await pool.query(`PREPARE "${name}" AS SELECT 1`)
    const judge = await open({}, pool).prepare(PLAN)
    for (let i = 0; i < 3; i++) expect((await judge.evaluate(ask)).refusedBy).toBe(-1)
  } finally {
    await before.end()
    await pool.end()
  }
})

test.each([
  ['26000', 'prepared statement "quick_1" does not exist'],
  ['42P05', 'prepared statement "quick_1" already exists'],
])('the error %s advises about poolers', (code, message) => {
  expect(failure(Object.assign(new Error(message), { code })).message).toMatch(/PgBouncer.* 1\.21/)
})
