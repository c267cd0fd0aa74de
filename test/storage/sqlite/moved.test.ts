import { copyFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'libsql'
import type { SentinelError } from '../../../src/core/errors.js'
import { sqlite } from '../../../src/storage/sqlite/index.js'
import { Link } from '../../../src/storage/sqlite/link.js'
import { Sweeper } from '../../../src/storage/sqlite/sweeper.js'
import { Stage } from '../../middleware/rig.js'
import { SqliteFiles } from './desk.js'

/* A file that was deleted or replaced while it is open can still be written, but everything is lost when it is closed. */

const { getBuiltinModule } = process
let files: SqliteFiles
let path: string
beforeEach(() => {
  files = new SqliteFiles()
  path = join(files.folder, 'bot.db')
  // A SQLite that opens files, on every version of Node.
  process.getBuiltinModule = ((name: string) =>
    name === 'node:sqlite' ? { DatabaseSync: Database } : getBuiltinModule(name)) as never
})
afterEach(() => {
  process.getBuiltinModule = getBuiltinModule
  files.remove()
})

test.each([
  ['a path', () => path],
  ['an open database', () => files.open()],
])('with %s, health is not ok once the file is deleted or replaced', async (_, source) => {
  const storage = sqlite(source())
  await storage.values.put('space', 'key', 1)
  expect(await storage.health()).toMatchObject({ ok: true })
  copyFileSync(path, `${path}.backup`)
  rmSync(path)
  expect(await storage.health()).toMatchObject({ ok: false })
  renameSync(`${path}.backup`, path)
  expect(await storage.health()).toMatchObject({ ok: false })
  await storage.close()
})

test('a database in memory has no file to check', async () => {
  const database = new Database(':memory:')
  const storage = sqlite(database)
  await storage.values.put('space', 'key', 1)
  expect(await storage.health()).toMatchObject({ ok: true })
  await storage.close()
  database.close()
})

test('a path that this process may not read does not count as deleted', async () => {
  const database = files.open()
  // A path that is too long fails like one without permission, also for root.
  const file = `/${'x'.repeat(10_000)}`
  const prepare = database.prepare.bind(database)
  database.prepare = ((sql: string) =>
    sql === 'PRAGMA database_list' ? { get: () => ({ file }) } : prepare(sql)) as never
  const storage = sqlite(database)
  await storage.values.put('space', 'key', 1)
  expect(await storage.values.get('space', 'key')).toBe(1)
  expect(await storage.health()).toMatchObject({ ok: true })
  await storage.close()
})

test('it is reported once a minute', () => {
  const time = new Stage()
  const errors: SentinelError[] = []
  const link = new Link(path, 0, () => sweeper.start())
  const sweeper = new Sweeper(link, time.clock, time.timers, (error) => errors.push(error as SentinelError))
  link.read(() => undefined)
  time.advance(60_000)
  expect(errors).toEqual([])
  rmSync(path)
  time.advance(60_000)
  time.advance(60_000)
  expect(errors.map(({ code }) => code)).toEqual(['storage.failed', 'storage.failed'])
  expect(errors[0]?.message).toMatch(/deleted or replaced while it was open .*Start the process again/)
  sweeper.stop()
  link.close()
})
