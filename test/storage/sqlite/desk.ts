import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import type { SqliteDatabase } from '../../../src/storage/sqlite/index.js'

/** The database files of one test, and connections to them. */
export class SqliteFiles {
  readonly folder = mkdtempSync(join(tmpdir(), 'sentinel-sqlite-'))
  readonly #opened: { close(): unknown }[] = []

  /** Opens a connection of its own, as another process would. */
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

/** The number of rows in one of our tables. */
export const rowsOf = (made: SqliteDatabase, table: string): number =>
  (made.prepare(`SELECT count(*) AS count FROM sentinel_${table}`).get() as { count: number }).count

/** A connection on which statements fail with the message that `broken` returns. */
export function failing(whole: SqliteDatabase, broken: (sql: string) => string | undefined): SqliteDatabase {
  return {
    exec(sql) {
      const problem = broken(sql)
      if (problem === undefined) return whole.exec(sql)
      // As SQLite does when a commit finds the disk full.
      if (sql === 'COMMIT') whole.exec('ROLLBACK')
      throw new Error(problem)
    },
    prepare: (sql) => whole.prepare(sql),
    close: () => whole.close(),
  }
}
