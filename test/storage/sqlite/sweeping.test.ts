import { jest } from '@jest/globals'
import { Pool } from 'pg'
import { userKey } from '../../../src/core/subject.js'
import { combine } from '../../../src/storage/combine.js'
import type { StorageChange } from '../../../src/storage/contract/changes.js'
import { postgres } from '../../../src/storage/postgres/index.js'
import { Changes, KEPT_FOR } from '../../../src/storage/sqlite/changes.js'
import { sqlite } from '../../../src/storage/sqlite/index.js'
import { Link } from '../../../src/storage/sqlite/link.js'
import { Sweeper } from '../../../src/storage/sqlite/sweeper.js'
import { Stage } from '../../middleware/rig.js'
import { freshName, sharedPostgres } from '../../servers/shared.js'
import { until } from '../../servers/until.js'
import { ALICE, askOf, BOT, claim, planOf } from '../redis/desk.js'
import { rowsOf, SqliteFiles } from './desk.js'

const MINUTE = 60_000

let files: SqliteFiles
let time: Stage
beforeEach(() => {
  files = new SqliteFiles()
  time = new Stage()
})
afterEach(() => {
  jest.useRealTimers()
  files.remove()
})

const broken = (error: unknown): never => {
  throw error
}

/** All time functions except intervals, which alone are faked. */
const OTHERS = [
  'Date',
  'hrtime',
  'nextTick',
  'performance',
  'queueMicrotask',
  'clearImmediate',
  'setImmediate',
  'setTimeout',
  'clearTimeout',
] as const

describe('lapsed records are deleted even if a storage only stores, and never decides', () => {
  test('SQLite', async () => {
    jest.useFakeTimers()
    const made = files.open()
    const durable = combine({ durable: sqlite(made, { clock: () => Date.now() }) })
    await durable.sessions({ ttl: '1s' }).write('7', { cart: ['tea'] })
    expect(rowsOf(made, 'values')).toBe(1)
    jest.advanceTimersByTime(MINUTE)
    expect(rowsOf(made, 'values')).toBe(0)
    await durable.close()
    expect(jest.getTimerCount()).toBe(0)
  })

  test('Postgres', async () => {
    const url = await sharedPostgres()
    const schema = freshName('sweeps')
    const pool = new Pool({ connectionString: url, max: 1 })
    jest.useFakeTimers({ doNotFake: [...OTHERS] })
    const durable = combine({ durable: postgres(url, { schema }) })
    await durable.sessions({ ttl: '1ms' }).write('7', { cart: ['tea'] })
    const kept = async (): Promise<number> =>
      Number(
        (await pool.query<{ count: string }>(`SELECT count(*) FROM "${schema}"."values"`)).rows[0]?.count,
      )
    expect(await kept()).toBe(1)
    await until('it is swept', async () => {
      jest.advanceTimersByTime(5000)
      return (await kept()) === 0
    })
    await durable.close()
    await pool.query(`DROP SCHEMA "${schema}" CASCADE`)
    await pool.end()
  })
})

test('large numbers of lapsed rows are deleted soon, so that the file of a busy bot does not keep growing', async () => {
  const made = files.open()
  const sweeper = new Sweeper(new Link(made, 0), time.clock, time.timers, broken)
  const storage = sqlite(made, { clock: time.clock })
  const judge = await storage.prepare(planOf(claim({ holdFor: 500 })))
  made.exec('BEGIN')
  const put = made.prepare('INSERT INTO sentinel_claims VALUES (1, 42, ?, 1, 1, ?, NULL, 1, NULL)')
  for (let nth = 0; nth < 3500; nth++) put.run(`u${nth}`, time.now + 500)
  made.exec('COMMIT')
  sweeper.start()
  time.advance(MINUTE)
  expect(rowsOf(made, 'claims')).toBe(2500)
  time.advance(100)
  expect(rowsOf(made, 'claims')).toBe(1500)
  time.advance(200)
  expect(rowsOf(made, 'claims')).toBe(0)
  // And then at the usual pace again.
  await judge.evaluate(askOf(ALICE, [1]))
  time.advance(MINUTE - 1000)
  expect(rowsOf(made, 'claims')).toBe(1)
  time.advance(1000)
  expect(rowsOf(made, 'claims')).toBe(0)
  sweeper.stop()
  await storage.close()
})

describe('the log of changes', () => {
  const block = (user: number): Promise<void> =>
    Promise.resolve(
      sqlite(files.open(), { clock: time.clock }).marks.put(BOT, 'blocked', [
        { key: userKey(user), mark: { since: 1 } },
      ]),
    )
  const watch = (told: StorageChange[]): Changes => {
    const changes = new Changes(new Link(files.open(), 0), time.clock, time.timers, broken)
    changes.watch((change) => told.push(change))
    return changes
  }
  const of = (user: number): StorageChange => ({
    kind: 'marks',
    bot: BOT,
    name: 'blocked',
    keys: [userKey(user)],
  })

  test('is deleted after five minutes, and so are entries from the future after the clock was put back', async () => {
    const made = files.open()
    const sweeper = new Sweeper(new Link(made, 0), time.clock, time.timers, broken)
    await block(2)
    time.now += KEPT_FOR - 1
    await block(3)
    sweeper.sweep()
    expect(rowsOf(made, 'changes')).toBe(2)
    time.now += 1
    sweeper.sweep()
    expect(rowsOf(made, 'changes')).toBe(1)
    time.now -= 2 * KEPT_FOR
    sweeper.sweep()
    expect(rowsOf(made, 'changes')).toBe(0)
  })

  test('reports a gap to watchers that missed entries, and then later changes', async () => {
    const sweeper = new Sweeper(new Link(files.open(), 0), time.clock, time.timers, broken)
    const told: StorageChange[] = []
    await block(1)
    const changes = watch(told)
    // As if the process were suspended: its timer does not fire.
    await block(2)
    await block(3)
    time.now += KEPT_FOR
    sweeper.sweep()
    time.advance(100)
    expect(told).toEqual([{ kind: 'gap' }])
    await block(4)
    time.advance(100)
    expect(told).toEqual([{ kind: 'gap' }, of(4)])
    await block(5)
    time.now += KEPT_FOR
    await block(6)
    sweeper.sweep()
    time.advance(100)
    expect(told.slice(2)).toEqual([{ kind: 'gap' }, of(6)])
    changes.close()
  })

  test('does not report earlier changes to a new watcher', async () => {
    await block(2)
    time.now += KEPT_FOR
    new Sweeper(new Link(files.open(), 0), time.clock, time.timers, broken).sweep()
    const told: StorageChange[] = []
    const changes = watch(told)
    await block(3)
    time.advance(100)
    expect(told).toEqual([of(3)])
    changes.close()
  })
})
