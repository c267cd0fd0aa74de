import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import type { SqliteDatabase } from '../../src/storage/sqlite/index.js'

/** Files of one test, and connections to them. */
export class SqliteFiles {
  readonly folder = mkdtempSync(join(tmpdir(), 'sentinel-sqlite-'))
  readonly #opened: { close(): unknown }[] = []

  /** A connection of its own, as another process has. */
  open(name = 'bot.db', timeout = 5000): SqliteDatabase {
    const made = new Database(join(this.folder, name), { timeout })
    made.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF')
    this.#opened.push(made)
    return made
  }

  remove(): void {
    for (const database of this.#opened) database.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Rows of a table of ours. */
export const rowsOf = (made: SqliteDatabase, table: string): number =>
  (made.prepare(`SELECT count(*) AS count FROM sentinel_${table}`).get() as { count: number }).count

/** A connection on which something of SQLite's fails while `broken` says with what. */
export function failing(whole: SqliteDatabase, broken: (sql: string) => string | undefined): SqliteDatabase {
  return {
    exec(sql) {
      const problem = broken(sql)
      if (problem === undefined) return whole.exec(sql)
      // As SQLite does itself, where a commit finds the disk full.
      if (sql === 'COMMIT') whole.exec('ROLLBACK')
      throw new Error(problem)
    },
    prepare: (sql) => whole.prepare(sql),
    close: () => whole.close(),
  }
}
