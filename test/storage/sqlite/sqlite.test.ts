import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import { sqlite } from '../../../src/storage/sqlite/index.js'
import { conformance } from '../conformance.js'

interface Place {
  readonly folder: string
  readonly opened: { close(): void }[]
}

conformance<Place>('sqlite', {
  place: () => ({ folder: mkdtempSync(join(tmpdir(), 'sentinel-sqlite-')), opened: [] }),
  make: (clock, { folder, opened }) => {
    const database = new Database(join(folder, 'bot.db'), { timeout: 5000 })
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF')
    opened.push(database)
    return sqlite(database, { clock })
  },
  clear: ({ folder, opened }) => {
    for (const database of opened) database.close()
    rmSync(folder, { recursive: true, force: true })
  },
  schedules: Number(process.env.SCHEDULES ?? 30),
})
