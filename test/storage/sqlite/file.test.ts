import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import { subjectKey } from '../../../src/core/subject.js'
import { type SqliteDatabase, sqlite } from '../../../src/storage/sqlite/index.js'
import { Link } from '../../../src/storage/sqlite/link.js'
import { Sweeper } from '../../../src/storage/sqlite/sweeper.js'
import { Stage } from '../../middleware/rig.js'
import { desk } from '../../sentinel/desk.js'
import { until } from '../../servers/until.js'

let folder: string
let opened: { close(): unknown }[]
let time: Stage

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sentinel-sqlite-'))
  opened = []
  time = new Stage()
})

afterEach(() => {
  for (const database of opened) database.close()
  rmSync(folder, { recursive: true, force: true })
})

function database(name = 'bot.db', timeout = 5000): SqliteDatabase {
  const made = new Database(join(folder, name), { timeout })
  made.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF')
  opened.push(made)
  return made
}

const count = (made: SqliteDatabase, table: string): number =>
  (made.prepare(`SELECT count(*) AS count FROM sentinel_${table}`).get() as { count: number }).count

const PLAN = {
  name: 'main',
  scopes: ['user'],
  checks: [
    {
      kind: 'claim',
      guard: 'once',
      slot: 'once',
      subject: 0,
      tokens: 'sequence',
      holdFor: 10_000,
      whenHeld: 'refuse',
    },
    {
      kind: 'claim',
      guard: 'debounce',
      slot: 'debounce',
      subject: 0,
      tokens: 'digest',
      holdFor: 1000,
      whenHeld: 'refuse',
    },
    {
      kind: 'bucket',
      guard: 'throttle',
      slot: 'user',
      subject: 0,
      limit: { amount: 1, per: 1000 },
      onRefusal: { penalty: { after: 1, within: 1000, bans: [60_000] } },
    },
  ],
} as const

test('lapsed records are deleted, and others stay', async () => {
  const made = database()
  const storage = sqlite(made, { clock: time.clock })
  const judge = await storage.prepare(PLAN)
  const ask = (user: string, token: number) =>
    judge.evaluate({ bot: 1, subjects: [user], costs: [1, 1, 1], tokens: [token, token] }, time.now)
  await ask('u1', 1)
  await ask('u2', 5000)
  // A lasting penalty.
  await ask('u2', 5001)
  await storage.marks.put(1, 'blocked', [
    { key: 'u1', mark: { since: time.now, until: time.now + 5 } },
    { key: 'u2', mark: { since: time.now } },
  ])
  await storage.values.put('s', 'ends', 1, time.now + 5)
  await storage.values.put('s', 'stays', 1)
  const sweeper = new Sweeper(new Link(made, 0), time.clock, time.timers, (error) => {
    throw error
  })
  sweeper.start()
  expect([
    count(made, 'claims'),
    count(made, 'records'),
    count(made, 'marks'),
    count(made, 'values'),
  ]).toEqual([4, 3, 2, 2])
  time.advance(60_000)
  expect([
    count(made, 'claims'),
    count(made, 'sequences'),
    count(made, 'marks'),
    count(made, 'values'),
  ]).toEqual([0, 0, 1, 1])
  expect(count(made, 'records')).toBe(1)
  time.advance(600_000)
  expect(count(made, 'records')).toBe(0)
  sweeper.stop()
  await storage.close()
})

test('a block by another process counts at once; watch() reports it, and the event is emitted where it was made', async () => {
  const [here, there] = [desk({ storage: sqlite(database()) }), desk({ storage: sqlite(database()) })]
  const told: unknown[] = []
  for (const [name, { guard }] of Object.entries({ here, there })) {
    guard.on('blocked', ({ key }) => told.push([name, key]))
  }
  await here.says(7, 'a')
  await there.says(7, 'b')
  const watched: unknown[] = []
  const stop = await there.guard.storage.watch((change) => watched.push(change))
  await here.guard.block(7)
  await there.says(7, 'c')
  expect(there.reached).toEqual(['b'])
  const change = { kind: 'marks', bot: 42, name: 'blocked', keys: [subjectKey(7)] }
  await until('it is told', () => watched.length > 0)
  expect(watched).toContainEqual(change)
  expect(await there.guard.blockOf(7)).toBeDefined()
  expect(told).toEqual([['here', subjectKey(7)]])
  stop()
  await Promise.all([here.guard.close(), there.guard.close()])
})

test('other tables in a given database are unchanged, and it stays open', async () => {
  const made = database()
  made.exec('PRAGMA user_version = 7; CREATE TABLE orders (id INTEGER)')
  const storage = sqlite(made)
  await storage.values.put('s', 'k', 1)
  await storage.close()
  expect(made.prepare('PRAGMA user_version').get()).toMatchObject({ user_version: 7 })
  const tables = made
    .prepare(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`)
    .all()
  const names = tables.map((table) => (table as { name: string }).name)
  expect(names.filter((name) => !name.startsWith('sentinel_'))).toEqual(['orders'])
  expect(await sqlite(made).values.get('s', 'k')).toBe(1)
})

test('tables of a later version are not touched, and refused with an error', async () => {
  const made = database()
  await sqlite(made).values.put('s', 'k', 1)
  made.exec(`UPDATE sentinel_meta SET value = 99 WHERE name = 'version'`)
  await expect(sqlite(made).values.get('s', 'k')).rejects.toMatchObject({
    code: 'storage.failed',
    message: expect.stringMatching(/version 99/),
  })
})

test('a locked database, a read-only one and an invalid file are reported', async () => {
  const holder = database()
  const storage = sqlite(database('bot.db', 20))
  await storage.values.put('s', 'k', 1)
  holder.exec('BEGIN IMMEDIATE')
  await expect(storage.values.put('s', 'k', 2)).rejects.toMatchObject({ code: 'storage.overloaded' })
  // Reads do not wait for writes.
  expect(await storage.values.get('s', 'k')).toBe(1)
  holder.exec('ROLLBACK')
  await storage.values.put('s', 'k', 2)

  const readOnly = database()
  readOnly.exec('PRAGMA query_only = ON')
  await expect(sqlite(readOnly).values.put('s', 'k', 3)).rejects.toMatchObject({ code: 'storage.readonly' })

  writeFileSync(join(folder, 'notes.txt'), 'no database, but long enough to look at. '.repeat(200))
  const wrong = new Database(join(folder, 'notes.txt'))
  opened.push(wrong)
  await expect(sqlite(wrong).values.get('s', 'k')).rejects.toMatchObject({ code: 'storage.failed' })
  expect(await sqlite(wrong).health()).toEqual({ ok: false, kind: 'sqlite' })
})

test('a change that failed halfway has no effect', async () => {
  const made = database()
  const storage = sqlite(made)
  await storage.values.put('s', 'k', 1)
  const mark = { since: 1 }
  made.exec(
    `CREATE TRIGGER broken BEFORE INSERT ON sentinel_marks WHEN NEW.key = 'u3' BEGIN SELECT RAISE(ABORT, 'no'); END`,
  )
  const put = () =>
    storage.marks.put(
      1,
      'blocked',
      [1, 2, 3].map((id) => ({ key: `u${id}`, mark })),
    )
  await expect(put()).rejects.toMatchObject({ code: 'storage.failed' })
  expect((await storage.marks.scan(1, 'blocked')).entries).toEqual([])
  made.exec('DROP TRIGGER broken')
  await put()
  expect((await storage.marks.scan(1, 'blocked')).entries).toHaveLength(3)
})

test('invalid options are refused before anything is opened', () => {
  const path = join(folder, 'new.db')
  expect(() => sqlite('')).toThrow(expect.objectContaining({ code: 'option.invalid' }))
  expect(() => sqlite({} as never)).toThrow(/not a database/)
  expect(() => sqlite(path, { busyTimeout: -1 })).toThrow(/busyTimeout/)
  sqlite(path)
  expect(existsSync(path)).toBe(false)
})

test('a restarted bot continues with its limits and its block list', async () => {
  const clock = time.clock
  const start = () => desk({ storage: sqlite(database(), { clock }), throttle: '2/1m', clock })
  const first = start()
  await first.says(7, 'one', 'two', 'over')
  await first.says(8, 'hello')
  await first.guard.block(8)
  await first.says(8, 'blocked')
  expect(first.reached).toEqual(['one', 'two', 'hello'])
  expect(await first.guard.health()).toMatchObject({ ok: true, storage: { ok: true, kind: 'sqlite' } })
  await first.guard.close()
  const second = start()
  await second.says(7, 'still over')
  await second.says(8, 'still blocked')
  await second.says(9, 'new')
  expect(second.reached).toEqual(['new'])
  time.now += 30_000
  await second.says(7, 'again')
  expect(second.reached).toEqual(['new', 'again'])
  await second.guard.close()
})
