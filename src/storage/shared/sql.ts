import type { Ms } from '../../core/duration.js'
import { type Key, keyText, textKey } from '../../core/subject.js'
import { canonicalKey } from '../contract/keys.js'
import { endOf } from '../contract/lapse.js'
import type { Mark } from '../contract/storage.js'
import type { UserRecord } from '../contract/users.js'
import type { ValueEntry } from '../contract/values.js'

/* How SQLite and Postgres write durable data into columns, and read it back. */

/** Rows per page, where the caller names no size. */
const PAGE = 1000

/** Escapes NUL, at which much of SQLite ends a text and which Postgres does not accept. Reversible. */
export function storedText(text: string): string {
  return text.includes('\0') || text.includes('\\') ? text.replace(/[\\\0]/g, escaped) : text
}

/** Reverses {@link storedText}. */
export function readText(kept: string): string {
  return kept.includes('\\') ? kept.replace(/\\([\\0])/g, unescaped) : kept
}

export function storedKey(key: Key): string {
  return storedText(keyText(canonicalKey(key)))
}

export function readKey(kept: string): Key {
  return textKey(readText(kept))
}

/** Returns an end time for a column in which NULL means never. */
export function storedEnd(until: Ms | undefined): Ms | null {
  return endOf(until) ?? null
}

function escaped(character: string): string {
  return character === '\0' ? '\\0' : '\\\\'
}

function unescaped(_: string, code: string): string {
  return code === '0' ? '\0' : '\\'
}

export const MARK_COLUMNS = 'key, name, since, until, reason, value'

export interface MarkRow {
  readonly key: string
  readonly name: string
  readonly since: number
  readonly until: number | null
  readonly reason: string | null
  readonly value: string | null
}

export function markOf({ since, until, reason, value }: MarkRow): Mark {
  return {
    since,
    ...(until !== null && { until }),
    ...(reason !== null && { reason: readText(reason) }),
    ...(value !== null && { value: JSON.parse(value) as unknown }),
  }
}

/** Returns the marks of one subject, by name. */
export function marksOf(rows: readonly MarkRow[]): ReadonlyMap<string, Mark> {
  return new Map(rows.map((row) => [readText(row.name), markOf(row)]))
}

export interface ValueRow {
  readonly key: string
  readonly value: string
  readonly until: number | null
}

export function entryOf({ key, value, until }: ValueRow): ValueEntry {
  return { key, value: JSON.parse(value) as unknown, ...(until !== null && { until }) }
}

export interface UserRow {
  readonly key: string
  readonly first_seen: number
  readonly last_seen: number
  /** As JSON, like `data`; null: none. */
  readonly counts: string | null
  readonly data: string | null
}

export function recordOf({ key, first_seen, last_seen, counts, data }: UserRow): UserRecord {
  return {
    key: readKey(key),
    firstSeen: first_seen,
    lastSeen: last_seen,
    counts: JSON.parse(counts ?? '{}') as Record<string, number>,
    data: JSON.parse(data ?? '{}') as Record<string, unknown>,
  }
}

/** Returns how many rows to read for a page: one more than it has, whose key is the cursor of the next page. */
export function rowsFor(size = PAGE): number {
  return Math.max(1, Math.floor(size)) + 1
}

/** Returns a page of the rows that were read, `most` of them at most. */
export function pageOf<Row extends { readonly key: string }, Entry>(
  rows: readonly Row[],
  most: number,
  read: (row: Row) => Entry,
): { readonly entries: Entry[]; readonly next?: string } {
  const entries = rows.slice(0, most - 1).map(read)
  const next = rows[most - 1]?.key
  return next === undefined ? { entries } : { entries, next }
}
