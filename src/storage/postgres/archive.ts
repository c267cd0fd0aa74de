import type { Key } from '../../core/subject.js'
import {
  type Archive,
  type ArchiveContents,
  actsAsAny,
  contentsOf,
  type MarkedSubject,
  markedSubjects,
} from '../contract/archive.js'
import { jsonText } from '../contract/json.js'
import { canonicalKey } from '../contract/keys.js'
import { checkRecord, type UserRecord } from '../contract/users.js'
import { readKey, readText, storedKey } from '../shared/sql.js'
import type { Ready } from './ready.js'

/** The archive of a Postgres storage. Records of members and commands are stored under digests and are left to expire. */
export class PostgresArchive implements Archive {
  constructor(
    private readonly ready: Ready,
    private readonly reset: (bot: number, key: Key) => Promise<void>,
  ) {}

  async contents(): Promise<ArchiveContents> {
    const { link } = await this.ready()
    const marks = await link.query<{ bot: string; name: string }>(
      `SELECT DISTINCT bot::text, name FROM ${link.s}.marks`,
    )
    const users = await link.query<{ bot: string }>(`SELECT DISTINCT bot::text FROM ${link.s}.users`)
    const spaces = await link.query<{ space: string }>(`SELECT DISTINCT space FROM ${link.s}.values`)
    return contentsOf(
      marks.map(({ bot, name }) => [Number(bot), readText(name)]),
      users.map(({ bot }) => Number(bot)),
      spaces.map(({ space }) => space),
    )
  }

  async restore(bot: number, given: readonly UserRecord[]): Promise<void> {
    if (given.length === 0) return
    for (const record of given) checkRecord(record)
    const { link } = await this.ready()
    // If a user occurs more than once, the last record counts. Sorted, so that concurrent writers do not deadlock.
    const records = new Map(given.map((record) => [storedKey(record.key), record]))
    const users = [...records].sort(([a], [b]) => (a < b ? -1 : 1))
    const counts = users.flatMap(([key, record]) =>
      Object.entries(record.counts).map(([name, total]) => ({ key, name, total })),
    )
    const data = users.flatMap(([key, record]) =>
      Object.entries(record.data).map(([name, value]) => ({
        key,
        name,
        value: jsonText(value, `users.data.${name}`),
      })),
    )
    await link.alone(async (client) => {
      const keys = users.map(([key]) => key)
      await client.query(`DELETE FROM ${link.s}.users WHERE bot = $1 AND key = ANY ($2::text[])`, [bot, keys])
      await client.query(
        `INSERT INTO ${link.s}.users (bot, key, first_seen, last_seen)
         SELECT $1, * FROM unnest($2::text[], $3::float8[], $4::float8[])
         ON CONFLICT (bot, key) DO UPDATE SET first_seen = excluded.first_seen, last_seen = excluded.last_seen`,
        [bot, keys, users.map(([, { firstSeen }]) => firstSeen), users.map(([, { lastSeen }]) => lastSeen)],
      )
      await client.query(
        `INSERT INTO ${link.s}.user_counts (bot, key, name, total)
         SELECT $1, * FROM unnest($2::text[], $3::text[], $4::float8[])
         ON CONFLICT (bot, key, name) DO UPDATE SET total = excluded.total`,
        [bot, counts.map(({ key }) => key), counts.map(({ name }) => name), counts.map(({ total }) => total)],
      )
      await client.query(
        `INSERT INTO ${link.s}.user_data (bot, key, name, value)
         SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[])
         ON CONFLICT (bot, key, name) DO UPDATE SET value = excluded.value`,
        [bot, data.map(({ key }) => key), data.map(({ name }) => name), data.map(({ value }) => value)],
      )
    })
  }

  async marksOf(bot: number, keys: readonly Key[]): Promise<readonly MarkedSubject[]> {
    const { link } = await this.ready()
    // The keys derived from a subject end with its text.
    const rows = await link.query<{ key: string; name: string }>(
      `SELECT key, name FROM ${link.s}.marks
       WHERE bot = $1 AND EXISTS (SELECT FROM unnest($2::text[]) AS own WHERE right(key, length(own)) = own)`,
      [bot, keys.map((key) => storedKey(key))],
    )
    return markedSubjects(
      rows.flatMap((row): [Key, string][] => {
        const other = readKey(row.key)
        return actsAsAny(other, keys) ? [[other, readText(row.name)]] : []
      }),
    )
  }

  async forget(bot: number, keys: readonly Key[]): Promise<void> {
    const marked = await this.marksOf(bot, keys)
    for (const key of new Set([...keys.map(canonicalKey), ...marked.map((each) => each.key)])) {
      await this.reset(bot, key)
    }
  }
}
