import type { Key } from '../../core/subject.js'
import {
  type Archive,
  type ArchiveContents,
  actsAsAny,
  type MarkedSubject,
  markedSubjects,
} from '../archive.js'
import { jsonText } from '../json.js'
import { checkActivity, type UserRecord } from '../users.js'
import { canonicalKey, read, readKey, storedText } from './keys.js'
import type { Ready } from './ready.js'

/** The archive of a Postgres storage. Records of members and commands are stored under digests and are left to expire. */
export class PostgresArchive implements Archive {
  constructor(
    private readonly ready: Ready,
    private readonly reset: (bot: number, key: Key) => Promise<void>,
  ) {}

  async contents(): Promise<ArchiveContents> {
    const { link } = await this.ready()
    const names = await link.query<{ bot: string; name: string }>(
      `SELECT bot::text, name FROM ${link.s}.marks GROUP BY bot, name ORDER BY bot, name`,
    )
    const known = await link.query<{ bot: string }>(`SELECT DISTINCT bot::text FROM ${link.s}.users`)
    const spaces = await link.query<{ space: string }>(
      `SELECT DISTINCT space FROM ${link.s}.values ORDER BY space`,
    )
    const users = new Set(known.map(({ bot }) => Number(bot)))
    const ids = new Set([...names.map(({ bot }) => Number(bot)), ...users])
    return {
      bots: [...ids]
        .sort((a, b) => a - b)
        .map((id) => ({
          id,
          marks: names.flatMap(({ bot, name }) => (Number(bot) === id ? [read(name)] : [])),
          users: users.has(id),
        })),
      spaces: spaces.map(({ space }) => space),
    }
  }

  async restore(bot: number, given: readonly UserRecord[]): Promise<void> {
    if (given.length === 0) return
    for (const { key, firstSeen, lastSeen, counts } of given) {
      checkActivity([
        { key, at: firstSeen, counts },
        { key, at: lastSeen },
      ])
    }
    const { link } = await this.ready()
    // If a user occurs more than once, the last record counts. Sorted, so that concurrent writers do not deadlock.
    const records = new Map(given.map((record) => [storedText(canonicalKey(record.key)), record]))
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
      [bot, keys.map((key) => storedText(canonicalKey(key)))],
    )
    return markedSubjects(
      rows.flatMap((row): [Key, string][] => {
        const other = readKey(row.key)
        return actsAsAny(other, keys) ? [[other, read(row.name)]] : []
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
