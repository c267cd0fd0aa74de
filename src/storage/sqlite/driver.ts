import { statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { steadyClock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { isMissing, peerMissing } from '../../core/peer.js'

/**
 * A value passed to or returned by a statement.
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
 * The part of a prepared statement that is used here.
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
 * An open database with a synchronous interface, such as `DatabaseSync` of `node:sqlite` or a database of better-sqlite3, libsql
 * or `bun:sqlite`.
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
 * Opens a file with Node's own SQLite if it is available, else with better-sqlite3.
 *
 * @throws SentinelError `peer.missing` if neither is available.
 */
export function openDatabase(path: string): SqliteDatabase {
  const Own = ownSqlite()
  if (Own !== undefined) return new Own(path)
  return new (betterSqlite())(path)
}

/** Interval between two attempts to switch a file to WAL. */
const TRY_EVERY_MS = 5

/**
 * Switches a file to WAL. SQLite ignores its busy time-out for this one step, so processes that start together on a new file
 * would fail at once. Blocks the whole process while waiting, as locks do.
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

/**
 * Returns a text that identifies the file at a path; an empty one if there is none. Undefined if that is unknown: for a database in
 * memory, whose path is empty, and for a path that this process may not look at.
 */
export function fileAt(path: string): string | undefined {
  if (path === '') return undefined
  try {
    const found = statSync(path, { throwIfNoEntry: false })
    return found === undefined ? '' : `${found.dev}:${found.ino}`
  } catch {
    return undefined
  }
}

function journalOf(database: SqliteDatabase): unknown {
  return (database.prepare('PRAGMA journal_mode').get() as { readonly journal_mode?: unknown }).journal_mode
}

/** Whether an error means that another connection has locked the file, whichever driver reports it. */
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
    // A bundle in CommonJS has __filename in place of import.meta.url.
    return createRequire(import.meta.url ?? __filename)('better-sqlite3') as Opener
  } catch (cause) {
    if (!isMissing(cause, ['better-sqlite3'])) throw cause
    throw peerMissing(
      'sqlite: this Node.js has no node:sqlite (22.13 and later have it), and better-sqlite3',
      ['better-sqlite3'],
      cause,
    )
  }
}
