import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Key } from '../../core/subject.js'
import { jsonText } from '../json.js'
import {
  checkActivity,
  patchTexts,
  type UserActivity,
  type UserPage,
  type UserRecord,
  type Users,
} from '../users.js'
import { readKey, storedKey } from './keys.js'
import type { Link } from './link.js'

const PAGE = 1000
const COLUMNS = 'key, first_seen, last_seen, counts, data'

interface UserRow {
  readonly key: string
  readonly first_seen: number
  readonly last_seen: number
  readonly counts: string
  readonly data: string
}

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
        // Entries rather than an object, since a name may be `__proto__`.
        const sums = new Map(Object.entries(JSON.parse(row.counts) as Record<string, number>))
        for (const [name, count] of Object.entries(counts)) sums.set(name, (sums.get(name) ?? 0) + count)
        this.#keep(bot, {
          ...row,
          first_seen: Math.min(row.first_seen, at),
          last_seen: Math.max(row.last_seen, at),
          counts: JSON.stringify(Object.fromEntries(sums)),
        })
      }
    })
  }

  async patch(bot: number, key: Key, data: Readonly<Record<string, unknown>>): Promise<UserRecord> {
    const texts = patchTexts(data)
    const own = storedKey(key)
    return this.link.write(() => {
      const row = this.#row(bot, own) ?? newRow(own, this.clock())
      const fields = new Map(Object.entries(JSON.parse(row.data) as object))
      for (const [name, text] of texts) {
        if (text === null) fields.delete(name)
        else fields.set(name, JSON.parse(text))
      }
      const patched = { ...row, data: JSON.stringify(Object.fromEntries(fields)) }
      this.#keep(bot, patched)
      return recordOf(patched)
    })
  }

  async scan(bot: number, from = '', size = PAGE): Promise<UserPage> {
    const most = Math.max(1, Math.floor(size))
    const rows = this.link.read(() =>
      this.link.all<UserRow>(
        `SELECT ${COLUMNS} FROM sentinel_users WHERE bot = ? AND key >= ? ORDER BY key LIMIT ?`,
        bot,
        from,
        most + 1,
      ),
    )
    const users = rows.slice(0, most).map(recordOf)
    const next = rows[most]?.key
    return next === undefined ? { users } : { users, next }
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
    const rows = given.map(({ key, firstSeen, lastSeen, counts, data }): UserRow => {
      checkActivity([
        { key, at: firstSeen, counts },
        { key, at: lastSeen },
      ])
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

  #row(bot: number, key: string): UserRow | undefined {
    return this.link.get<UserRow>(`SELECT ${COLUMNS} FROM sentinel_users WHERE bot = ? AND key = ?`, bot, key)
  }

  #keep(bot: number, { key, first_seen, last_seen, counts, data }: UserRow): void {
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

function newRow(key: string, at: Ms): UserRow {
  return { key, first_seen: at, last_seen: at, counts: '{}', data: '{}' }
}

function recordOf({ key, first_seen, last_seen, counts, data }: UserRow): UserRecord {
  return {
    key: readKey(key),
    firstSeen: first_seen,
    lastSeen: last_seen,
    counts: JSON.parse(counts) as Record<string, number>,
    data: JSON.parse(data) as Record<string, unknown>,
  }
}
