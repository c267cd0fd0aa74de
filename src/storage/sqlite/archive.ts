import type { Key } from '../../core/subject.js'
import { turn } from '../../core/turn.js'
import {
  type Archive,
  type ArchiveContents,
  actsAsAny,
  contentsOf,
  type MarkedSubject,
  markedSubjects,
} from '../contract/archive.js'
import { canonicalKey } from '../contract/keys.js'
import type { UserRecord } from '../contract/users.js'
import { readKey, readText, storedKey } from '../shared/sql.js'
import type { Link } from './link.js'
import type { SqliteUsers } from './users.js'

/** Number of rows that are looked through at once: some milliseconds. */
const PART = 5000

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
    const { link } = this
    const found: [Key, string][] = []
    for (const kept of await this.#derived('sentinel_marks', 'bot = ?', [bot], keys)) {
      const rows = link.read(() =>
        link.all<{ name: string }>('SELECT name FROM sentinel_marks WHERE bot = ? AND key = ?', bot, kept),
      )
      for (const { name } of rows) found.push([readKey(kept), readText(name)])
    }
    return markedSubjects(found)
  }

  async forget(bot: number, keys: readonly Key[]): Promise<void> {
    const { link } = this
    const places = link.read(() => link.all<{ id: number }>('SELECT id FROM sentinel_places'))
    for (const table of ['sentinel_records', 'sentinel_claims', 'sentinel_sequences']) {
      for (const { id } of places) {
        const found = await this.#derived(table, 'place = ? AND bot = ?', [id, bot], keys)
        if (found.length === 0) continue
        link.write(() => {
          for (const kept of found) {
            link.run(`DELETE FROM ${table} WHERE place = ? AND bot = ? AND key = ?`, id, bot, kept)
          }
        })
      }
    }
  }

  /**
   * Returns the keys in a table that act as one of the given ones. No index finds them, so the table is read in parts, with a turn
   * of the event loop after each, in which updates are decided.
   *
   * @param where Selects by the columns of the primary key that precede `key`.
   */
  async #derived(
    table: string,
    where: string,
    values: readonly number[],
    keys: readonly Key[],
  ): Promise<readonly string[]> {
    const { link } = this
    // The keys derived from a subject end with its text.
    const actors = keys.map(canonicalKey)
    const ends = [...new Set(actors.map(storedKey))]
    const fits = ends.map(() => 'substr(key, -length(?)) = ?').join(' OR ')
    const endings = ends.flatMap((end) => [end, end])
    const found: string[] = []
    let from: string | undefined = ''
    while (from !== undefined) {
      const start: string = from
      from = link.read(() => {
        const last = link.get<{ key: string }>(
          `SELECT key FROM ${table} WHERE ${where} AND key > ? ORDER BY key LIMIT 1 OFFSET ${PART - 1}`,
          ...values,
          start,
        )?.key
        const rows = link.all<{ key: string }>(
          `SELECT DISTINCT key FROM ${table} WHERE ${where} AND key > ?${last === undefined ? '' : ' AND key <= ?'} AND (${fits})`,
          ...values,
          start,
          ...(last === undefined ? [] : [last]),
          ...endings,
        )
        for (const { key } of rows) if (actsAsAny(readKey(key), actors)) found.push(key)
        return last
      })
      await turn()
    }
    return found
  }
}
