import { createRequire } from 'node:module'
import { steadyClock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { isMissing, peerMissing } from '../../core/peer.js'

/**
 * What goes into a statement, and comes out.
 *
 * @example
 * ```ts
 * import type { SqliteValue } from 'grammy-sentinel/sqlite'
 *
 * const row: readonly SqliteValue[] = ['u7', 42, null, new Uint8Array(8)]
 * ```
 */
export type SqliteValue = string | number | null | Uint8Array

/**
 * A prepared statement, as far as it is needed here.
 *
 * @example
 * ```ts
 * import type { SqliteStatement } from 'grammy-sentinel/sqlite'
 *
 * const countOf = (statement: SqliteStatement): number => statement.all().length
 * ```
 */
export interface SqliteStatement {
  run(...values: SqliteValue[]): unknown
  get(...values: SqliteValue[]): unknown
  all(...values: SqliteValue[]): unknown[]
}

/**
 * An open database that answers at once: `DatabaseSync` of `node:sqlite`, and the databases of better-sqlite3, libsql and
 * `bun:sqlite` are some.
 *
 * @example
 * ```ts
 * import { type SqliteDatabase, sqlite } from 'grammy-sentinel/sqlite'
 *
 * declare const database: SqliteDatabase // new Database('bot.db')
 * sqlite(database)
 * ```
 */
export interface SqliteDatabase {
  exec(sql: string): unknown
  prepare(sql: string): SqliteStatement
  close(): unknown
}

type Opener = new (path: string) => SqliteDatabase

/**
 * Opens a file with whatever there is: Node's own SQLite, else better-sqlite3.
 *
 * @throws SentinelError `peer.missing` when there is neither.
 */
export function openDatabase(path: string): SqliteDatabase {
  const Own = ownSqlite()
  if (Own !== undefined) return new Own(path)
  return new (betterSqlite())(path)
}

/** Between two tries to change a file over. */
const TRY_EVERY_MS = 5

/**
 * Changes a file over to WAL. For that alone SQLite does not wait where somebody else is at it, whatever its busy time-out: processes
 * that start together on a new file would fail at once. The whole process waits, as it does for locks.
 */
export function beginWal(database: SqliteDatabase, busyFor: Ms): void {
  const end = steadyClock() + busyFor
  for (;;) {
    try {
      if (journalOf(database) !== 'wal') database.exec('PRAGMA journal_mode = WAL')
      return
    } catch (error) {
      if (!isBusy(error) || steadyClock() >= end) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, TRY_EVERY_MS)
    }
  }
}

function journalOf(database: SqliteDatabase): unknown {
  return (database.prepare('PRAGMA journal_mode').get() as { readonly journal_mode?: unknown }).journal_mode
}

/** Whether somebody else holds the file, as the drivers put it. */
export function isBusy(error: unknown): boolean {
  return /locked|busy/i.test(error instanceof Error ? error.message : String(error))
}

function ownSqlite(): Opener | undefined {
  const { getBuiltinModule } = process as {
    readonly getBuiltinModule?: (name: string) => { readonly DatabaseSync?: Opener } | undefined
  }
  return getBuiltinModule?.('node:sqlite')?.DatabaseSync
}

function betterSqlite(): Opener {
  try {
    return createRequire(import.meta.url)('better-sqlite3') as Opener
  } catch (cause) {
    if (!isMissing(cause, ['better-sqlite3'])) throw cause
    throw peerMissing(
      'sqlite: this Node has no node:sqlite (22.13 and later have it), and better-sqlite3',
      ['better-sqlite3'],
      cause,
    )
  }
}
