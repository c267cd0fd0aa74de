import { jest } from '@jest/globals'
import { Pool, type PoolClient } from 'pg'
import { userKey } from '../../../src/core/subject.js'
import type { StorageChange } from '../../../src/storage/contract/changes.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { postgres } from '../../../src/storage/postgres/index.js'
import { freshName } from '../../servers/shared.js'
import { until } from '../../servers/until.js'
import { pool as admin, schema, url, useSchemas } from './desk.js'

/* The server ends connections while the storage holds them: in a restart, a failover, behind PgBouncer. */

const KEY = userKey(7)
useSchemas('lost')

/** Runs work while another worker holds the lock of the schema. */
async function locked(work: () => Promise<void>): Promise<void> {
  const other = await admin.connect()
  const lock = [`grammy-sentinel ${schema}`]
  try {
    await other.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', lock)
    await work()
  } finally {
    await other.query('SELECT pg_advisory_unlock(hashtextextended($1, 0))', lock)
    other.release()
  }
}

/** Ends the connection that waits for the lock, once it has started to wait. */
function endTheWaiting(name: string): Promise<void> {
  return until('a connection waited for the lock, and was ended', async () => {
    const { rowCount } = await admin.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = $1 AND wait_event_type = 'Lock'`,
      [name],
    )
    return rowCount === 1
  })
}

test('a connection that is lost while waiting to migrate fails that call, and nothing else', async () => {
  const name = freshName('worker')
  const clients = new Set<PoolClient>()
  const pool = new Pool({ connectionString: url, max: 2, application_name: name })
  pool.on('connect', (client) => clients.add(client as PoolClient))
  pool.on('error', () => undefined)
  const storage = postgres(pool, { schema })
  try {
    await locked(async () => {
      const reading = Promise.resolve(storage.marks.get(42, KEY, 'blocked'))
      const refused = expect(reading).rejects.toMatchObject({ code: 'storage.unavailable' })
      await until('the storage waits for the lock', async () => {
        const { rows } = await admin.query(
          `SELECT FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'`,
          [name],
        )
        return rows.length === 1
      })
      // Node ends a process in which nothing listens to an "error" event.
      expect([...clients].map((client) => client.listenerCount('error') > 0)).not.toContain(false)
      await endTheWaiting(name)
      await refused
    })
    expect(await storage.marks.get(42, KEY, 'blocked')).toBeUndefined()
    await pool.query('SELECT 1')
    const alive = [...clients].filter((client) => client.listenerCount('error') > 0)
    // The pool's own listener; none of the storage is left on a connection that it has returned.
    for (const client of alive) expect(client.listenerCount('error')).toBe(1)
  } finally {
    await storage.close()
    await pool.end()
  }
})

describe('the connection that listens', () => {
  const put = (storage: Storage) =>
    storage.marks.put(42, 'blocked', [{ key: KEY, mark: { since: 1 } }]) as Promise<void>

  test('is not taken from a pool that was given: one of a single connection still serves everybody', async () => {
    const pool = new Pool({ connectionString: url, max: 1 })
    const storage = postgres(pool, { schema })
    const told: StorageChange[] = []
    try {
      const stop = await storage.watch((change) => told.push(change))
      await put(storage)
      await until('the change is reported', () => told.length > 0)
      expect(told).toEqual([{ kind: 'marks', bot: 42, name: 'blocked', keys: [KEY] }])
      expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
      stop()
      await until('it is closed', async () => {
        const { rows } = await admin.query('SELECT FROM pg_stat_activity WHERE query LIKE $1', [
          `LISTEN%${schema}%`,
        ])
        return rows.length === 0
      })
    } finally {
      await storage.close()
      await pool.end()
    }
  })

  test.each([
    ['a connection string', (direct: string) => direct],
    ['options of a client', (direct: string) => ({ connectionString: direct })],
  ])('uses the option "listen": %s', async (_, listenOf) => {
    const name = freshName('direct')
    const direct = new URL(url)
    direct.searchParams.set('application_name', name)
    const storage = postgres(url, { schema, listen: listenOf(direct.href) })
    const told: StorageChange[] = []
    try {
      await storage.watch((change) => told.push(change))
      const { rows } = await admin.query('SELECT query FROM pg_stat_activity WHERE application_name = $1', [
        name,
      ])
      expect(rows).toEqual([{ query: expect.stringContaining('LISTEN') }])
      await put(storage)
      await until('the change is reported', () => told.length > 0)
      // The connection is replaced when it is lost.
      await admin.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1',
        [name],
      )
      await until('a gap is reported', () => told.some(({ kind }) => kind === 'gap'))
    } finally {
      await storage.close()
    }
  })

  describe('is tested by a notification', () => {
    /** Held-back test notifications between the storage and a pool. */
    let sending: { readonly send: () => Promise<void>; readonly refuse: (error: Error) => void }[]
    let pool: Pool

    beforeEach(() => {
      sending = []
      pool = new Pool({ connectionString: url, max: 2 })
      const query = pool.query.bind(pool) as (...args: unknown[]) => Promise<unknown>
      pool.query = ((...args: unknown[]) => {
        if (!(args[0] as { text?: string }).text?.startsWith('SELECT pg_notify(')) return query(...args)
        return new Promise((resolve, reject) => {
          const send = async (): Promise<void> => {
            resolve(await query(...args))
            // Lets the storage receive it.
            await new Promise((done) => setImmediate(done))
          }
          sending.push({ send, refuse: reject })
        })
      }) as never
    })
    afterEach(async () => {
      jest.useRealTimers()
      await pool.end()
    })

    async function standing(listen = url): Promise<Storage> {
      const storage = postgres(pool, { schema, listen })
      await storage.health()
      jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'Date', 'performance'] })
      return storage
    }
    const watching = (storage: Storage) => {
      const count = sending.length
      const watched = Promise.resolve(storage.watch(() => undefined))
      watched.catch(() => undefined)
      return until('it is to be sent', () => sending.length > count).then(() => ({ watched }))
    }

    test('and refused with advice if it hears nothing, so that marks are read again from time to time', async () => {
      const deaf = new URL(url)
      // Another database, in place of a pooler of transactions: LISTEN succeeds there, too.
      deaf.pathname = '/template1'
      const storage = await standing(deaf.href)
      const { watched } = await watching(storage)
      await sending[0]?.send()
      jest.advanceTimersByTime(5000)
      await expect(watched).rejects.toMatchObject({
        code: 'storage.unsupported',
        message: expect.stringContaining('"listen"'),
      })
      await storage.close()
    })

    test('and does not fail the test while all connections are busy', async () => {
      const storage = await standing()
      const { watched } = await watching(storage)
      jest.advanceTimersByTime(5000)
      await expect(watched).rejects.toMatchObject({ code: 'storage.unavailable' })
      const closing = storage.close()
      // It waits for the notification, which is never sent.
      jest.advanceTimersByTime(5000)
      await closing
    })

    test('and has its own deadline, not that of an earlier attempt', async () => {
      const storage = await standing()
      const { watched: former } = await watching(storage)
      sending[0]?.refuse(new Error('Connection terminated'))
      await expect(former).rejects.toMatchObject({ code: 'storage.unavailable' })
      jest.advanceTimersByTime(4000)
      const { watched } = await watching(storage)
      jest.advanceTimersByTime(4000)
      await sending[1]?.send()
      ;(await watched)()
      await storage.close()
    })
  })

  test.each(['', 5432, null, true])('refuses %p as "listen"', (listen) => {
    expect(() => postgres(url, { listen: listen as never })).toThrow(/postgres\.listen/)
  })
})
