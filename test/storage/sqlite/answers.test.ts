import Database from 'libsql'
import type { SqliteDatabase } from '../../../src/storage/sqlite/index.js'
import { sqlite } from '../../../src/storage/sqlite/index.js'
import { linesOf, stock } from '../migrate/stock.js'
import { admits, askOf, BOB, BOT, blocked, bucket, once, planOf } from '../redis/desk.js'
import { SqliteFiles } from './desk.js'

/* Options of a database that is passed in may change the types of answers. */

let files: SqliteFiles
beforeEach(() => {
  files = new SqliteFiles()
})
afterEach(() => files.remove())

/** A database as `node:sqlite` opens it with `readBigInts` and `returnArrays`, which can also be set for each statement. */
function likeNodes(): SqliteDatabase {
  const whole = new Database(`${files.folder}/bot.db`)
  return {
    exec: (sql) => whole.exec(sql),
    close: () => whole.close(),
    prepare(sql) {
      const statement = whole.prepare(sql).safeIntegers(true)
      let isArray = true
      const shaped = (row: unknown): unknown => (isArray && row ? Object.values(row) : row)
      return {
        setReadBigInts: (on: boolean) => void statement.safeIntegers(on),
        setReturnArrays: (on: boolean) => {
          isArray = on
        },
        run: (...values: unknown[]) => statement.run(...values),
        get: (...values: unknown[]) => shaped(statement.get(...values)),
        all: (...values: unknown[]) => statement.all(...values).map(shaped),
      }
    },
  }
}

test.each<[string, () => SqliteDatabase]>([
  ['defaultSafeIntegers()', () => new Database(`${files.folder}/bot.db`).defaultSafeIntegers(true)],
  ['readBigInts and returnArrays', likeNodes],
])('a database with %s gives the same answers, and stays as it is', async (_, open) => {
  const plain = sqlite(files.open('plain.db'))
  const database = open()
  const storage = sqlite(database)
  await Promise.all([stock(plain), stock(storage)])
  expect(await linesOf(storage)).toEqual(await linesOf(plain))
  const judge = await storage.prepare(planOf(blocked, once(), bucket(2, 3_600_000)))
  const admitted = [await admits(judge, askOf(BOB, [1])), await admits(judge, askOf(BOB, [2]))]
  expect([...admitted, await admits(judge, askOf(BOB, [3]))]).toEqual([true, true, false])
  await storage.reset(BOT, BOB)
  await storage.marks.put(BOT, 'blocked', [{ key: BOB, mark: { since: 1 } }])
  expect(await admits(judge, askOf(BOB, [4]))).toBe(false)
  expect(await storage.marks.remove(BOT, 'blocked', [BOB])).toBe(1)
  const [count] = Object.values(Object(database.prepare('SELECT count(*) AS count FROM sentinel_meta').get()))
  expect(typeof count).toBe('bigint')
  await Promise.all([plain.close(), storage.close()])
  database.close()
})
