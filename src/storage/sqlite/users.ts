import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Key } from '../../core/subject.js'
import { turn } from '../../core/turn.js'
import { jsonText } from '../contract/json.js'
import {
  addedCounts,
  checkActivity,
  checkRecord,
  patchedData,
  patchTexts,
  type UserActivity,
  type UserPage,
  type UserRecord,
  type Users,
} from '../contract/users.js'
import { pageOf, recordOf, rowsFor, storedKey, type UserRow } from '../shared/sql.js'
import type { Link } from './link.js'

const COLUMNS = 'key, first_seen, last_seen, counts, data'

type StoredRow = UserRow & { readonly counts: string; readonly data: string }

/** Users in a table, one row each. Counts and data are JSON and changed within a transaction. */
export class SqliteUsers implements Users {
  constructor(
    private readonly link: Link,
    private readonly clock: Clock,
  ) {}

  async get(bot: number, key: Key): Promise<UserRecord | undefined> {
    const row = this.link.read(() => this.#row(bot, storedKey(key)))
    return row === undefined ? undefined : recordOf(row)
  }

  async note(bot: number, activity: readonly UserActivity[]): Promise<void> {
    checkActivity(activity)
    if (activity.length === 0) return
    const own = activity.map(({ key, at, counts }) => ({ key: storedKey(key), at, counts }))
    this.link.write(() => {
      for (const { key, at, counts = {} } of own) {
        const row = this.#row(bot, key) ?? newRow(key, at)
        const totals = JSON.parse(row.counts) as Record<string, number>
        this.#keep(bot, {
          ...row,
          first_seen: Math.min(row.first_seen, at),
          last_seen: Math.max(row.last_seen, at),
          counts: JSON.stringify(addedCounts(totals, counts)),
        })
      }
    })
  }

  async patch(bot: number, key: Key, data: Readonly<Record<string, unknown>>): Promise<UserRecord> {
    const texts = patchTexts(data)
    const own = storedKey(key)
    return this.link.write(() => {
      const row = this.#row(bot, own) ?? newRow(own, this.clock())
      const patched = { ...row, data: JSON.stringify(patchedData(JSON.parse(row.data) as object, texts)) }
      this.#keep(bot, patched)
      return recordOf(patched)
    })
  }

  async scan(bot: number, from = '', size?: number): Promise<UserPage> {
    if (from !== '') await turn()
    const most = rowsFor(size)
    const rows = this.link.read(() =>
      this.link.all<UserRow>(
        `SELECT ${COLUMNS} FROM sentinel_users WHERE bot = ? AND key >= ? ORDER BY key LIMIT ?`,
        bot,
        from,
        most,
      ),
    )
    const { entries: users, ...next } = pageOf(rows, most, recordOf)
    return { users, ...next }
  }

  async erase(bot: number, key: Key): Promise<boolean> {
    const own = storedKey(key)
    return this.link.write(() => {
      const known = this.#row(bot, own) !== undefined
      this.link.run('DELETE FROM sentinel_users WHERE bot = ? AND key = ?', bot, own)
      return known
    })
  }

  /** Replaces existing records. */
  restore(bot: number, given: readonly UserRecord[]): void {
    const rows = given.map((record): StoredRow => {
      checkRecord(record)
      const { key, firstSeen, lastSeen, counts, data } = record
      return {
        key: storedKey(key),
        first_seen: firstSeen,
        last_seen: lastSeen,
        counts: JSON.stringify(counts),
        data: jsonText(data, 'users.data'),
      }
    })
    this.link.write(() => {
      for (const row of rows) this.#keep(bot, row)
    })
  }

  #row(bot: number, key: string): StoredRow | undefined {
    return this.link.get<StoredRow>(
      `SELECT ${COLUMNS} FROM sentinel_users WHERE bot = ? AND key = ?`,
      bot,
      key,
    )
  }

  #keep(bot: number, { key, first_seen, last_seen, counts, data }: StoredRow): void {
    this.link.run(
      `INSERT OR REPLACE INTO sentinel_users (bot, ${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)`,
      bot,
      key,
      first_seen,
      last_seen,
      counts,
      data,
    )
  }
}

function newRow(key: string, at: Ms): StoredRow {
  return { key, first_seen: at, last_seen: at, counts: '{}', data: '{}' }
}
