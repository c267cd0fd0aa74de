import { Pool } from 'pg'
import type { Plan } from '../../src/core/check.js'
import { userKey } from '../../src/core/subject.js'
import { failure } from '../../src/storage/postgres/failures.js'
import { open, url, useSchemas } from './postgres-desk.js'

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
  } finally {
    await pool.end()
  }
})

test.each([
  ['26000', 'prepared statement "quick_1" does not exist'],
  ['42P05', 'prepared statement "quick_1" already exists'],
])('the error %s advises about poolers', (code, message) => {
  expect(failure(Object.assign(new Error(message), { code })).message).toMatch(/PgBouncer.* 1\.21/)
})
