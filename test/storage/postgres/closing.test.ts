import { jest } from '@jest/globals'
import { Pool } from 'pg'
import { userKey } from '../../../src/core/subject.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { postgres } from '../../../src/storage/postgres/index.js'
import { type NetworkProxy, startProxy } from '../../servers/proxy.js'
import { until } from '../../servers/until.js'
import { pool, schema, url, useSchemas } from './desk.js'

/* The storage is closed while the server cannot be reached: packets are neither delivered nor refused. */

useSchemas('closing')

let proxy: NetworkProxy
let storage: Storage

beforeEach(async () => {
  proxy = await startProxy(Number(new URL(url).port))
  storage = postgres(proxy.urlOf(url), { schema })
  await storage.values.put('space', 'key', 1)
})
afterEach(() => proxy.stop())

/** Closes the storage, and lets seconds pass on the timers that are set from then on. */
async function closedAfter(ms: number): Promise<void> {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'Date', 'performance'] })
  let closing: void | Promise<void>
  try {
    closing = storage.close()
    jest.advanceTimersByTime(ms)
  } finally {
    jest.useRealTimers()
  }
  await closing
}

async function useTwoConnections(): Promise<void> {
  await storage.close()
  storage = postgres(url, { schema, connections: 2 })
  await storage.values.get('space', 'key')
}

/** How many open sockets would keep this process alive. */
function sockets(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length
}

/** Runs work while statements of the storage wait for a lock that somebody else holds, at most two of them on a connection. */
async function whileReading(
  work: (...readings: readonly Promise<unknown>[]) => Promise<void>,
  count = 1,
): Promise<void> {
  const other = await pool.connect()
  try {
    await other.query(`BEGIN; LOCK TABLE "${schema}".marks`)
    const readings = Array.from({ length: count }, async () => storage.marks.of(42, userKey(7)))
    for (const reading of readings) reading.catch(() => undefined)
    await until('they wait for the lock', async () => {
      const { rows } = await other.query(
        `SELECT FROM pg_locks WHERE NOT granted AND relation = '"${schema}".marks'::regclass`,
      )
      return rows.length === Math.min(count, 2)
    })
    await work(...readings)
  } finally {
    await other.query('ROLLBACK')
    other.release()
  }
}

test('close() ends, and so does the statement that was running', async () => {
  await whileReading(async (reading) => {
    proxy.blackHole()
    await closedAfter(5000)
    await expect(reading).rejects.toMatchObject({ code: 'storage.closed' })
  })
})

test('close() breaks off the connection that listens beside a pool that was given', async () => {
  await storage.close()
  storage = postgres(pool, { schema, listen: proxy.urlOf(url) })
  await storage.watch?.(() => undefined)
  proxy.blackHole()
  const before = sockets()
  await closedAfter(5000)
  expect(sockets()).toBe(before - 1)
  expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
})

test('close() breaks off connections whose end the server does not confirm', async () => {
  proxy.blackHole()
  const before = sockets()
  await closedAfter(5000)
  expect(sockets()).toBe(before - 1)
})

test('close() breaks off a connection that was being opened', async () => {
  proxy.cut()
  await until('the idle connection is lost', () => proxy.open === 0)
  proxy.blackHole()
  const reading = Promise.resolve(storage.marks.get(42, userKey(7), 'blocked'))
  const refused = expect(reading).rejects.toMatchObject({ code: 'storage.closed' })
  await until('it connects', () => proxy.open === 1)
  await closedAfter(5000)
  await refused
})

test('close() waits for a running statement while the server can be reached', async () => {
  const waiting: unknown[] = []
  await whileReading(async (reading) => {
    waiting.push(reading, storage.close())
  })
  expect(await Promise.all(waiting)).toEqual([new Map(), undefined])
})

test('close() also waits for statements that have no connection yet', async () => {
  await useTwoConnections()
  const waiting: unknown[] = []
  await whileReading(async (...readings) => {
    waiting.push(...readings, storage.close())
  }, 3)
  expect(await Promise.all(waiting)).toEqual([new Map(), new Map(), new Map(), undefined])
})

test.each(['of the storage', 'that was given'])(
  'close() also waits for writes that wait until others of their table have ended, in a pool %s',
  async (whose) => {
    const given = new Pool({ connectionString: url })
    try {
      if (whose === 'that was given') {
        await storage.close()
        storage = postgres(given, { schema })
        await storage.values.get('space', 'key')
      }
      const numbers = Array.from({ length: 30 }, (_, n) => n)
      const writes = numbers.flatMap((n) => [
        storage.values.put('space', `${n}`, n),
        storage.marks.put(42, 'blocked', [{ key: userKey(n), mark: { since: 1 } }]),
      ])
      const all = Promise.allSettled(writes)
      // They have been sent, or wait.
      await new Promise(setImmediate)
      await storage.close()
      await given.end()
      expect((await all).filter(({ status }) => status === 'rejected')).toEqual([])
    } finally {
      if (!given.ended) await given.end()
    }
  },
)

test('close() rejects statements in a pool that was given when its time is over, and leaves the pool open', async () => {
  await storage.close()
  storage = postgres(pool, { schema })
  await storage.values.get('space', 'key')
  await whileReading(async (reading) => {
    await closedAfter(5000)
    await expect(reading).rejects.toMatchObject({ code: 'storage.closed' })
  })
  expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
})

test('close() rejects statements that have no connection when its time is over', async () => {
  await useTwoConnections()
  await whileReading(async (...readings) => {
    await closedAfter(5000)
    const refused = { code: 'storage.closed' }
    await expect(Promise.any(readings)).rejects.toMatchObject({ errors: [refused, refused, refused] })
  }, 3)
})
