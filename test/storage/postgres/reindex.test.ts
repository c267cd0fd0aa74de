import type { Ask, Judge, Plan, Receipt } from '../../../src/core/check.js'
import { GLOBAL_KEY, type Key, userKey } from '../../../src/core/subject.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { until } from '../../servers/until.js'
import { open, pool, schema, useSchemas } from './desk.js'

/* An administrator reindexes tables while workers decide. */

useSchemas('reindex')

const BOT = 42
const ALICE = userKey(7)
const limit = { amount: 3, per: 60_000 }
const PLAN: Plan = {
  name: 'chain',
  scopes: ['user', 'global'],
  checks: [
    { kind: 'bucket', guard: 'throttle', slot: 'throttle.user', subject: 0, limit },
    {
      kind: 'claim',
      guard: 'once',
      slot: 'once',
      subject: 1,
      tokens: 'sequence',
      holdFor: 86_400_000,
      retry: true,
      whenHeld: 'refuse',
    },
  ],
}
let updates = 1000
const askOf = (key: Key, cost = 1): Ask => ({
  bot: BOT,
  subjects: [key, GLOBAL_KEY],
  costs: [cost, 1],
  tokens: [++updates],
})

interface Worker {
  readonly storage: Storage
  readonly judge: Judge
  readonly receipt: Receipt
}

const DECISIONS: readonly (readonly [string, (worker: Worker) => Promise<unknown>])[] = [
  ['an ordinary update', async ({ judge }) => judge.evaluate(askOf(ALICE))],
  [
    'ordinary updates that arrive together',
    async ({ judge }) =>
      Promise.all([10, 11, 12, 13, 14, 15, 16, 17].map((id) => judge.evaluate(askOf(userKey(id))))),
  ],
  ['an update with another cost', async ({ judge }) => judge.evaluate(askOf(ALICE, 2))],
  [
    'an update with a limit of its own',
    async ({ judge }) => judge.evaluate({ ...askOf(ALICE), limits: [{ amount: 5, per: 1000 }, undefined] }),
  ],
]
const OTHERS: typeof DECISIONS = [
  ['a refund', async ({ judge, receipt }) => judge.settle(receipt, 'refund')],
  ['a release', async ({ judge, receipt }) => judge.settle(receipt, 'release')],
  ['a reset of one limit', async ({ storage }) => storage.reset(BOT, ALICE, 'throttle.user')],
  ['a reset', async ({ storage }) => storage.reset(BOT, ALICE)],
]

describe.each([
  ['records', [...DECISIONS, ...OTHERS]],
  ['chunks', [...DECISIONS, ...OTHERS]],
  ['clocks', DECISIONS],
] as const)('REINDEX TABLE %s', (table, writes) => {
  test.each(writes)('does not deadlock with %s', async (_, write) => {
    const storage = open()
    const judge = await storage.prepare(PLAN)
    const { receipt } = await judge.evaluate(askOf(ALICE))
    // The highest time seen is only stored once a second.
    if (table === 'clocks') await pool.query(`UPDATE "${schema}".clocks SET high = high - 5000`)
    const admin = await pool.connect()
    try {
      // REINDEX locks the table like this first, and then the index.
      await admin.query(`BEGIN; SET LOCAL lock_timeout = 500; LOCK TABLE "${schema}".${table} IN SHARE MODE`)
      let isOver = false
      const writing = write({ storage, judge, receipt: receipt as Receipt }).finally(() => {
        isOver = true
      })
      await until('it waits for the table', async () => {
        const { rows } = await pool.query(
          `SELECT FROM pg_locks WHERE NOT granted AND relation = '"${schema}".${table}'::regclass`,
        )
        return isOver || rows.length > 0
      })
      await admin.query(`REINDEX TABLE "${schema}".${table}; COMMIT`)
      await writing
    } finally {
      await admin.query('ROLLBACK')
      admin.release()
    }
  })
})
