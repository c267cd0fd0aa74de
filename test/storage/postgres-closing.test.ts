import { jest } from '@jest/globals'
import { userKey } from '../../src/core/subject.js'
import { postgres } from '../../src/storage/postgres/index.js'
import type { Storage } from '../../src/storage/storage.js'
import { type NetworkProxy, startProxy } from '../servers/proxy.js'
import { until } from '../servers/until.js'
import { pool, schema, url, useSchemas } from './postgres-desk.js'

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

/** How many open sockets would keep this process alive. */
function sockets(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length
}

/** Runs work while a statement of the storage waits for a lock that somebody else holds. */
async function whileReading(work: (reading: Promise<unknown>) => Promise<void>): Promise<void> {
  const other = await pool.connect()
  try {
    await other.query(`BEGIN; LOCK TABLE "${schema}".marks`)
    const reading = Promise.resolve(storage.marks.get(42, userKey(7), 'blocked'))
    reading.catch(() => undefined)
    await until('it waits for the lock', async () => {
      const { rows } = await other.query(
        `SELECT FROM pg_locks WHERE NOT granted AND relation = '"${schema}".marks'::regclass`,
      )
      return rows.length === 1
    })
    await work(reading)
  } finally {
    await other.query('ROLLBACK')
    other.release()
  }
}

test('close() ends, and so does the statement that was running', async () => {
  await whileReading(async (reading) => {
    proxy.blackHole()
    await closedAfter(5000)
    await expect(reading).rejects.toMatchObject({ code: 'storage.unavailable' })
  })
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
  const refused = expect(reading).rejects.toMatchObject({ code: 'storage.unavailable' })
  await until('it connects', () => proxy.open === 1)
  await closedAfter(5000)
  await refused
})

test('close() waits for a running statement while the server can be reached', async () => {
  const waiting: unknown[] = []
  await whileReading(async (reading) => {
    waiting.push(reading, storage.close())
  })
  expect(await Promise.all(waiting)).toEqual([undefined, undefined])
})
