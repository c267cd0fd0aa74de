import { join } from 'node:path'
import Database from 'libsql'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { sqlite } from '../../../src/storage/sqlite/index.js'
import { ALICE, BOT } from '../redis/desk.js'
import { SqliteFiles } from './desk.js'

/* Another process holds the database: a shell with an open transaction, VACUUM of a large file. */

const BUSY_TIMEOUT = 1500

const { getBuiltinModule } = process
let files: SqliteFiles
beforeEach(() => {
  files = new SqliteFiles()
  // A replacement of node:sqlite that opens paths and works on every version of Node.
  process.getBuiltinModule = ((name: string) =>
    name === 'node:sqlite' ? { DatabaseSync: Database } : getBuiltinModule(name)) as never
})
afterEach(() => {
  process.getBuiltinModule = getBuiltinModule
  files.remove()
})

const put = async ({ marks }: Storage): Promise<unknown> =>
  marks.put(BOT, 'blocked', [{ key: ALICE, mark: { since: 1 } }])

/** Tries to write this often, in vain. Returns how long that took, in milliseconds. */
async function refused(storage: Storage, writes: number): Promise<number> {
  const began = performance.now()
  for (let i = 0; i < writes; i++)
    await expect(put(storage)).rejects.toMatchObject({ code: 'storage.overloaded' })
  return performance.now() - began
}

test.each(['before', 'while'])(
  'a storage that is opened %s another process holds the file waits for it once, until a write succeeds',
  async (when) => {
    const storage = sqlite(join(files.folder, 'bot.db'), { busyTimeout: BUSY_TIMEOUT })
    const other = files.open()
    await put(when === 'before' ? storage : sqlite(other))
    other.exec('BEGIN IMMEDIATE')
    const first = await refused(storage, 10)
    // Ten times as long otherwise, and the process stands still meanwhile.
    expect(first).toBeGreaterThan(0.9 * BUSY_TIMEOUT)
    expect(first).toBeLessThan(5 * BUSY_TIMEOUT)
    other.exec('ROLLBACK')
    await put(storage)
    other.exec('BEGIN IMMEDIATE')
    expect(await refused(storage, 1)).toBeGreaterThan(0.9 * BUSY_TIMEOUT)
    other.exec('ROLLBACK')
    await storage.close()
  },
  20_000,
)
