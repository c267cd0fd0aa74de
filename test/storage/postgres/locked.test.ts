import { Pool } from 'pg'
import { userKey } from '../../../src/core/subject.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { until } from '../../servers/until.js'
import { askOf, bucket, open, opened, planOf, pool, schema, url, useSchemas } from './desk.js'

/* Somebody locks a table: an administrator with CREATE INDEX or VACUUM FULL. What needs only other tables goes on. */

const BOT = 42
const KEY = userKey(7)
useSchemas('locked')

const putMark = ({ marks }: Storage, n: number) =>
  marks.put(BOT, 'blocked', [{ key: userKey(n), mark: { since: 1 } }])
const noteUser = ({ users }: Storage, n: number) =>
  users.note(BOT, [{ key: userKey(n), at: 1, counts: { message: 1 } }])
const putValue = ({ values }: Storage, n: number) => values.put('space', `${n}`, n)

/** Locks a table as CREATE INDEX does, or as VACUUM FULL does, while `work` runs. */
async function locked(table: string, mode: string, work: () => Promise<void>): Promise<void> {
  const other = await pool.connect()
  try {
    await other.query(`BEGIN; LOCK TABLE "${schema}"."${table}" IN ${mode} MODE`)
    await work()
  } finally {
    await other.query('ROLLBACK')
    other.release()
  }
}

test.each<[string, string, (storage: Storage, n: number) => unknown, (storage: Storage) => unknown]>([
  ['marks', 'SHARE', putMark, (storage) => noteUser(storage, 1)],
  ['users', 'SHARE', noteUser, (storage) => putMark(storage, 1)],
  [
    'users',
    'ACCESS EXCLUSIVE',
    ({ users }, n) => users.get(BOT, userKey(n)),
    (storage) => putMark(storage, 1),
  ],
  ['values', 'SHARE', putValue, (storage) => putMark(storage, 1)],
  [
    'values',
    'ACCESS EXCLUSIVE',
    ({ values }, n) => values.get('space', `${n}`),
    (storage) => putMark(storage, 1),
  ],
])(
  'while %s is locked (%s), many calls wait for it, and updates are decided by the storage',
  async (table, mode, waits, other) => {
    const storage = open()
    const judge = await storage.prepare(planOf(bucket(2, 3_600_000)))
    const stop = await storage.watch(() => undefined)
    let waiting: Promise<unknown> = Promise.resolve()
    await locked(table, mode, async () => {
      waiting = Promise.all(Array.from({ length: 12 }, (_, n) => waits(storage, n)))
      await other(storage)
      const decisions = await Promise.all([1, 2, 3].map(() => judge.evaluate(askOf(KEY))))
      expect(decisions.map(({ refusedBy }) => refusedBy)).toEqual([-1, -1, 0])
    })
    await waiting
    stop()
  },
)

test('blocks, roles and activity are written while values, of which many were being written, are locked', async () => {
  const storage = open()
  let isOver = false
  const writer = async (_: unknown, n: number): Promise<void> => {
    while (!isOver) await putValue(storage, n)
  }
  await putValue(storage, 0)
  const writers = Promise.all(Array.from({ length: 20 }, writer))
  let written = 0
  try {
    await locked('values', 'SHARE', async () => {
      await until('all statements on values that run wait for the lock', async () => {
        // Within a transaction, the first answer would be repeated.
        const { rows } = await pool.query<{ event: string | null }>(
          `SELECT wait_event_type AS event FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%"${schema}".values%'`,
        )
        return rows.length > 5 && rows.every(({ event }) => event === 'Lock')
      })
      for (const write of [putMark, noteUser]) void Promise.resolve(write(storage, 1)).then(() => written++)
      await until('a mark and activity are written', () => written === 2, 5000)
    })
  } finally {
    isOver = true
    await writers
  }
})

test('a pool of three connections decides while a table is locked', async () => {
  const three = new Pool({ connectionString: url, max: 3 })
  try {
    const storage = open({}, three)
    const judge = await storage.prepare(planOf(bucket(1, 3_600_000)))
    let waiting: Promise<unknown> = Promise.resolve()
    await locked('marks', 'SHARE', async () => {
      waiting = Promise.all(Array.from({ length: 12 }, (_, n) => putMark(storage, n)))
      expect((await judge.evaluate(askOf(KEY))).refusedBy).toBe(-1)
    })
    await waiting
    await storage.close()
    opened.length = 0
  } finally {
    await three.end()
  }
})
