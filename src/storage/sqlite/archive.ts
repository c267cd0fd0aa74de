import { type Key, keyText } from '../../core/subject.js'
import {
  type Archive,
  type ArchiveContents,
  actsAsAny,
  contentsOf,
  type MarkedSubject,
  markedSubjects,
} from '../archive.js'
import { canonicalKey } from '../keys.js'
import { readKey, readText, storedKey } from '../sql.js'
import type { UserRecord } from '../users.js'
import type { Link } from './link.js'
import type { SqliteUsers } from './users.js'

/** The archive of a SQLite storage. */
export class SqliteArchive implements Archive {
  constructor(
    private readonly link: Link,
    private readonly users: SqliteUsers,
  ) {}

  async contents(): Promise<ArchiveContents> {
    const { link } = this
    return link.read(() => {
      const marks = link.all<{ bot: number; name: string }>('SELECT DISTINCT bot, name FROM sentinel_marks')
      const users = link.all<{ bot: number }>('SELECT DISTINCT bot FROM sentinel_users')
      const spaces = link.all<{ space: string }>('SELECT DISTINCT space FROM sentinel_values')
      return contentsOf(
        marks.map(({ bot, name }) => [bot, readText(name)]),
        users.map(({ bot }) => bot),
        spaces.map(({ space }) => space),
      )
    })
  }

  async restore(bot: number, users: readonly UserRecord[]): Promise<void> {
    if (users.length > 0) this.users.restore(bot, users)
  }

  async marksOf(bot: number, keys: readonly Key[]): Promise<readonly MarkedSubject[]> {
    return this.link.read(() => this.#marksOf(bot, keys))
  }

  async forget(bot: number, keys: readonly Key[]): Promise<void> {
    const { link } = this
    link.write(() => {
      for (const key of keys) {
        for (const table of ['sentinel_records', 'sentinel_claims', 'sentinel_sequences']) {
          const found = link.all<{ key: string }>(
            `SELECT DISTINCT key FROM ${table} WHERE bot = ? AND substr(key, -length(?)) = ?`,
            bot,
            storedKey(key),
            storedKey(key),
          )
          for (const { key: kept } of found) {
            if (actsAsAny(readKey(kept), [canonicalKey(key)])) {
              link.run(`DELETE FROM ${table} WHERE bot = ? AND key = ?`, bot, kept)
            }
          }
        }
      }
    })
  }

  #marksOf(bot: number, keys: readonly Key[]): readonly MarkedSubject[] {
    const found = new Map<string, [Key, string]>()
    for (const key of keys) {
      // The keys derived from a subject end with its text.
      const rows = this.link.all<{ key: string; name: string }>(
        'SELECT key, name FROM sentinel_marks WHERE bot = ? AND substr(key, -length(?)) = ?',
        bot,
        storedKey(key),
        storedKey(key),
      )
      for (const row of rows) {
        const other = readKey(row.key)
        if (actsAsAny(other, keys)) found.set(`${keyText(other)} ${row.name}`, [other, readText(row.name)])
      }
    }
    return markedSubjects(found.values())
  }
}
