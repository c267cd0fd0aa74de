import { Client } from 'pg'
import { postgres } from '../../../src/storage/postgres/index.js'
import { freshName, sharedPostgres } from '../../servers/shared.js'
import { until } from '../../servers/until.js'
import { counting } from '../counting.js'

/* A server that answers every read and refuses every write, or does not decide. Each update of the bot reads its session in between. */

let url: string
let admin: Client
let database: string
beforeEach(async () => {
  const shared = new URL(await sharedPostgres())
  admin = new Client({ connectionString: shared.href })
  await admin.connect()
  database = freshName('refused')
  await admin.query(`CREATE DATABASE ${database}`)
  shared.pathname = `/${database}`
  url = shared.href
}, 30_000)
afterEach(async () => {
  await admin.query(`DROP DATABASE ${database} WITH (FORCE)`)
  await admin.end()
})

/** Makes the database read-only, as hosts do when its disk is full, or writable again. */
async function readOnly(on: boolean): Promise<void> {
  await admin.query(`ALTER DATABASE ${database} SET default_transaction_read_only = ${on ? 'on' : 'off'}`)
  await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [database])
}

test('with sessions, a database that became read-only is down after a few updates, and still answers reads', async () => {
  const { guard, counts, told, stop } = counting(postgres(url))
  try {
    expect(await counts()).toBe(1)
    expect(await counts()).toBe(2)
    await readOnly(true)
    for (let updates = 0; updates < 5 && told.length === 0; updates++) await counts().catch(() => undefined)
    await until(
      'it is known to be read-only',
      async () => {
        const { storage } = await guard.health()
        return storage.circuit?.state === 'open' && storage.circuit.reason === 'storage.readonly'
      },
      5000,
    )
    expect(told).toHaveLength(1)
    // Reading still works, so handlers get the session that was stored.
    expect(await guard.storage.sessions<object>().read('7')).toEqual({ n: 2 })
    await readOnly(false)
    await until('it is back', async () => (await guard.health()).ok)
    expect(await counts()).toBe(3)
  } finally {
    await stop()
  }
})

test('while only decisions wait for a lock, memory decides, and sessions go on', async () => {
  const { guard, counts, told, stop } = counting(postgres(url))
  const locker = new Client({ connectionString: url })
  await locker.connect()
  try {
    expect(await counts()).toBe(1)
    // The lock that CREATE INDEX takes.
    await locker.query('BEGIN; LOCK TABLE grammy_sentinel.records IN SHARE MODE')
    for (let n = 2; n <= 8; n++) expect(await counts()).toBe(n)
    expect(told).toEqual([])
    await locker.query('ROLLBACK')
    expect(await counts()).toBe(9)
    expect((await guard.health()).ok).toBe(true)
  } finally {
    await locker.end()
    await stop()
  }
})
