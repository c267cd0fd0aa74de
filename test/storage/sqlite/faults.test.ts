import { join } from 'node:path'
import Database from 'libsql'
import type { Receipt, Settlement } from '../../../src/core/check.js'
import type { StorageChange } from '../../../src/storage/contract/changes.js'
import { Changes } from '../../../src/storage/sqlite/changes.js'
import { beginWal } from '../../../src/storage/sqlite/driver.js'
import { type SqliteDatabase, sqlite } from '../../../src/storage/sqlite/index.js'
import { Link } from '../../../src/storage/sqlite/link.js'
import { Stage } from '../../middleware/rig.js'
import { ALICE, admits, askOf, BOT, bucket, once, planOf } from '../redis/desk.js'
import { failing, SqliteFiles } from './desk.js'

const FULL = 'database or disk is full'

let files: SqliteFiles
let problem: string | undefined
beforeEach(() => {
  files = new SqliteFiles()
  problem = undefined
})
afterEach(() => files.remove())

/** A connection whose commits fail while there is a problem. */
const faulty = (): SqliteDatabase => failing(files.open(), (sql) => (sql === 'COMMIT' ? problem : undefined))

describe('a settlement that failed because of a full disk may be repeated once', () => {
  const leased = once({ subject: 0, holdFor: 3_600_000, lease: 60_000, retry: true })
  const limited = bucket(5, 3_600_000)

  async function settled(
    how: Settlement,
  ): Promise<{ settle(): Promise<void>; left(): Promise<number>; retried(): Promise<boolean> }> {
    const now = 1_795_000_000_000
    const judge = await sqlite(faulty(), { clock: () => now }).prepare(planOf(leased, limited))
    const { receipt } = await judge.evaluate(askOf(ALICE, [10]))
    return {
      settle: async () => judge.settle(receipt as Receipt, how),
      left: async () => Math.round((await judge.peek(askOf(ALICE, [11]))).remaining[1] as number),
      retried: async () => (await judge.peek(askOf(ALICE, [10]))).waived,
    }
  }

  test('a refund', async () => {
    const { settle, left } = await settled('refund')
    problem = FULL
    await expect(settle()).rejects.toMatchObject({
      code: 'storage.failed',
      message: expect.stringMatching(/SQLITE_FULL/),
    })
    problem = undefined
    expect(await left()).toBe(3)
    await settle()
    expect(await left()).toBe(4)
    await settle()
    expect(await left()).toBe(4)
  })

  test('a release', async () => {
    const { settle, retried } = await settled('release')
    problem = FULL
    await expect(settle()).rejects.toMatchObject({ code: 'storage.failed' })
    problem = undefined
    expect(await retried()).toBe(false)
    await settle()
    expect(await retried()).toBe(true)
  })

  test('a completion', async () => {
    const { settle, retried } = await settled('complete')
    problem = FULL
    await expect(settle()).rejects.toMatchObject({ code: 'storage.failed' })
    problem = undefined
    await settle()
    expect(await retried()).toBe(false)
  })
})

test('an ask that could not be stored has no effect', async () => {
  const judge = await sqlite(faulty(), { clock: () => 1_795_000_000_000 }).prepare(planOf(bucket(1, 1000)))
  problem = FULL
  await expect(judge.evaluate(askOf())).rejects.toMatchObject({ code: 'storage.failed' })
  problem = undefined
  expect([await admits(judge), await admits(judge)]).toEqual([true, false])
})

describe('watch()', () => {
  const CHANGE = { kind: 'marks', bot: BOT, name: 'blocked', keys: [ALICE] }
  const block = (database: SqliteDatabase): Promise<void> =>
    Promise.resolve(sqlite(database).marks.put(BOT, 'blocked', [{ key: ALICE, mark: { since: 1 } }]))

  function watching(database: SqliteDatabase): {
    told: StorageChange[]
    time: Stage
    errors: unknown[]
    changes: Changes
  } {
    const time = new Stage()
    const told: StorageChange[] = []
    const errors: unknown[] = []
    const changes = new Changes(new Link(database, 0), time.clock, time.timers, (error) => errors.push(error))
    changes.watch((change) => told.push(change))
    time.advance(100)
    return { told, time, errors, changes }
  }

  test('reports changes made while it could not read, as soon as it can', async () => {
    let unreadable = false
    const { told, time, errors, changes } = watching(
      failing(files.open(), (sql) => (sql === 'BEGIN' && unreadable ? 'disk I/O error' : undefined)),
    )
    unreadable = true
    await block(files.open())
    time.advance(100)
    expect(told).toEqual([])
    expect(errors).toHaveLength(1)
    unreadable = false
    time.advance(100)
    expect(told).toEqual([CHANGE])
    changes.close()
  })

  test('reports changes by other processes at the time of the given timers', async () => {
    const time = new Stage()
    const told: StorageChange[] = []
    const storage = sqlite(files.open(), { clock: time.clock, timers: time.timers })
    await storage.watch((change) => told.push(change))
    await block(files.open())
    expect(told).toEqual([])
    time.advance(100)
    expect(told).toEqual([CHANGE])
    await storage.close()
  })

  test('reports changes of another storage on the same connection', async () => {
    const database = files.open()
    const { told, time, changes } = watching(database)
    await block(database)
    time.advance(100)
    expect(told).toEqual([CHANGE])
    await block(files.open())
    time.advance(100)
    expect(told).toEqual([CHANGE, CHANGE])
    // And each only once.
    time.advance(1000)
    expect(told).toHaveLength(2)
    changes.close()
  })

  test('a change is stored even if announcing it fails: the caller gets no error, onError does', async () => {
    const errors: unknown[] = []
    let unreadable = false
    const database = failing(files.open(), (sql) =>
      sql === 'BEGIN' && unreadable ? 'disk I/O error' : undefined,
    )
    const storage = sqlite(database, { onError: (error) => errors.push(error) })
    const stop = await storage.watch(() => undefined)
    unreadable = true
    await storage.marks.put(BOT, 'blocked', [{ key: ALICE, mark: { since: 1 } }])
    unreadable = false
    expect(errors).toMatchObject([
      { code: 'storage.failed', message: expect.stringMatching(/disk I\/O error/) },
    ])
    expect(await storage.marks.get(BOT, ALICE, 'blocked')).toEqual({ since: 1 })
    stop()
    await storage.close()
  })
})

describe('a new file is switched to WAL', () => {
  const journalOf = (database: SqliteDatabase): unknown => database.prepare('PRAGMA journal_mode').get()

  function held(): { holder: SqliteDatabase; database: SqliteDatabase; free(): void } {
    const [holder, database] = [0, 0].map(() => new Database(join(files.folder, 'new.db'), { timeout: 0 }))
    if (holder === undefined || database === undefined) throw new Error('nothing was opened')
    holder.exec('CREATE TABLE orders (id INTEGER); BEGIN; SELECT * FROM orders')
    holder.prepare('SELECT count(*) FROM orders').get()
    return { holder, database, free: () => holder.exec('ROLLBACK') }
  }

  test('once another process releases it, which SQLite itself does not wait for', () => {
    const { holder, database, free } = held()
    let tries = 0
    const patient = failing(database, (sql) => {
      if (/journal_mode = WAL/.test(sql) && ++tries === 3) free()
      return undefined
    })
    beginWal(patient, 120_000)
    expect(tries).toBe(3)
    expect(journalOf(database)).toMatchObject({ journal_mode: 'wal' })
    // If WAL is already on, it is not set again.
    beginWal(
      failing(database, (sql) => (/journal_mode = WAL/.test(sql) ? 'asked anew' : undefined)),
      0,
    )
    holder.close()
    database.close()
  })

  test('and waits no longer than the busy timeout', () => {
    const { holder, database, free } = held()
    expect(() => beginWal(database, 0)).toThrow(/locked/)
    expect(() =>
      beginWal(
        failing(database, () => 'disk I/O error'),
        120_000,
      ),
    ).toThrow(/disk I\/O/)
    free()
    holder.close()
    database.close()
  })
})
