import { Pool, type QueryConfig } from 'pg'
import { type Key, userKey } from '../../../src/core/subject.js'
import { pool as admin, open, schema, url, useSchemas } from './desk.js'

// How much Postgres reads for the marks of a few among many.

const MANY = 20_000
const FEW = 100

interface PlanNode {
  readonly Plans?: readonly PlanNode[]
  readonly 'Actual Loops': number
  readonly 'Actual Rows': number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Rows Removed by Join Filter'?: number
}

/** Returns how many rows all parts of an execution plan have processed. */
function processed(node: PlanNode): number {
  const own =
    node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Join Filter'] ?? 0)
  return (node.Plans ?? []).reduce((sum, part) => sum + processed(part), own * node['Actual Loops'])
}

let pool: Pool
let sent: QueryConfig[]

useSchemas('marks')
beforeEach(() => {
  sent = []
  pool = new Pool({ connectionString: url, max: 1 })
  pool.on('connect', (client) => {
    const { query } = client
    client.query = ((...args: Parameters<typeof query>) => {
      sent.push(args[0] as unknown as QueryConfig)
      return query.apply(client, args)
    }) as typeof query
  })
})
afterEach(() => pool.end())

test.each([
  ['as long as the table is not analyzed', false],
  ['once it is', true],
])('removing the marks of a few never compares all marks with all of them, %s', async (_, analyzed) => {
  const storage = open({}, pool)
  const marked = Array.from({ length: MANY }, (_, nth) => ({ key: userKey(1 + nth), mark: { since: 0 } }))
  const few = marked.slice(0, FEW)
  await storage.marks.put(1, 'blocked', few)
  await admin.query(`ALTER TABLE ${schema}.marks SET (autovacuum_enabled = false)`)
  await storage.marks.put(1, 'blocked', marked)
  if (analyzed) await admin.query(`ANALYZE ${schema}.marks`)
  sent.length = 0
  const keys = few.map(({ key }) => key)
  expect(await storage.marks.remove(1, 'blocked', keys)).toBe(FEW)
  const { text, values = [] } = sent.find((query) => query.text.includes('DELETE')) as QueryConfig
  await storage.marks.put(1, 'blocked', few)
  const { rows } = await admin.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values)
  const [{ Plan }] = rows[0]['QUERY PLAN'] as readonly [{ readonly Plan: PlanNode }]
  // Reading a table of this size once is cheaper than a hundred look-ups.
  expect(processed(Plan)).toBeLessThan(2 * MANY)
  expect(await storage.marks.get(1, keys[0] as Key, 'blocked')).toBeUndefined()
})
