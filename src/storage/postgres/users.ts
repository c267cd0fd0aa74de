import type { Ms } from '../../core/duration.js'
import type { Key } from '../../core/subject.js'
import {
  addedCounts,
  checkActivity,
  patchTexts,
  type UserActivity,
  type UserPage,
  type UserRecord,
  type Users,
} from '../contract/users.js'
import { pageOf, recordOf, rowsFor, storedKey, type UserRow } from '../shared/sql.js'
import type { Ready, Schema } from './ready.js'

/** The sum of several activities of one user. */
interface Sum {
  first: Ms
  last: Ms
  counts: Readonly<Record<string, number>>
}

/** Users in logged tables. Each counter and each field of data is a row, so that concurrent changes do not conflict. */
export class PostgresUsers implements Users {
  constructor(private readonly ready: Ready) {}

  async get(bot: number, key: Key): Promise<UserRecord | undefined> {
    return this.read(await this.ready(), bot, storedKey(key))
  }

  async note(bot: number, activity: readonly UserActivity[]): Promise<void> {
    checkActivity(activity)
    if (activity.length === 0) return
    const { link } = await this.ready()
    const users = [...sumsOf(activity)]
    const counts = users.flatMap(([key, sum]) =>
      Object.entries(sum.counts).map(([name, total]) => ({ key, name, total })),
    )
    // Sorted, so that concurrent writers of the same users do not deadlock.
    await link.queryTable(
      'users',
      `WITH seen AS (
         INSERT INTO ${link.s}.users AS u (bot, key, first_seen, last_seen)
         SELECT $1, * FROM unnest($2::text[], $3::float8[], $4::float8[]) AS w(key, first, last) ORDER BY key COLLATE "C"
         ON CONFLICT (bot, key) DO UPDATE SET first_seen = least(u.first_seen, excluded.first_seen),
           last_seen = greatest(u.last_seen, excluded.last_seen)
       )
       INSERT INTO ${link.s}.user_counts AS c (bot, key, name, total)
       SELECT $1, * FROM unnest($5::text[], $6::text[], $7::float8[]) AS w(key, name, total)
         ORDER BY key COLLATE "C", name COLLATE "C"
       ON CONFLICT (bot, key, name) DO UPDATE SET total = c.total + excluded.total`,
      [
        bot,
        users.map(([key]) => key),
        users.map(([, { first }]) => first),
        users.map(([, { last }]) => last),
        counts.map(({ key }) => key),
        counts.map(({ name }) => name),
        counts.map(({ total }) => total),
      ],
    )
  }

  async patch(bot: number, key: Key, data: Readonly<Record<string, unknown>>): Promise<UserRecord> {
    const texts = [...patchTexts(data)]
    const schema = await this.ready()
    const { link, time } = schema
    const own = storedKey(key)
    const put = texts.filter(([, text]) => text !== null).sort(([a], [b]) => (a < b ? -1 : 1))
    const gone = texts.filter(([, text]) => text === null).map(([name]) => name)
    await link.queryTable(
      'users',
      `WITH seen AS (
         INSERT INTO ${link.s}.users (bot, key, first_seen, last_seen) VALUES ($1, $2, ${time('$3')}, ${time('$3')})
         ON CONFLICT DO NOTHING
       ), gone AS (
         DELETE FROM ${link.s}.user_data WHERE bot = $1 AND key = $2 AND name = ANY ($6::text[])
       )
       INSERT INTO ${link.s}.user_data (bot, key, name, value)
       SELECT $1, $2, * FROM unnest($4::text[], $5::text[])
       ON CONFLICT (bot, key, name) DO UPDATE SET value = excluded.value`,
      [bot, own, this.ready.now(), put.map(([name]) => name), put.map(([, text]) => text), gone],
    )
    const record = await this.read(schema, bot, own)
    // Another process erased the user at that moment.
    return record ?? this.patch(bot, key, data)
  }

  async scan(bot: number, from = '', size?: number): Promise<UserPage> {
    const { link } = await this.ready()
    const most = rowsFor(size)
    const rows = await link.queryTable<UserRow>(
      'users',
      `${this.select(link.s)} WHERE bot = $1 AND key >= $2 ORDER BY key LIMIT $3`,
      [bot, from, most],
    )
    const { entries: users, ...next } = pageOf(rows, most, recordOf)
    return { users, ...next }
  }

  async erase(bot: number, key: Key): Promise<boolean> {
    const { link } = await this.ready()
    const rows = await link.queryTable(
      'users',
      `DELETE FROM ${link.s}.users WHERE bot = $1 AND key = $2 RETURNING bot`,
      [bot, storedKey(key)],
    )
    return rows.length > 0
  }

  private async read({ link }: Schema, bot: number, key: string): Promise<UserRecord | undefined> {
    const [row] = await link.queryTable<UserRow>(
      'users',
      `${this.select(link.s)} WHERE bot = $1 AND key = $2`,
      [bot, key],
    )
    return row === undefined ? undefined : recordOf(row)
  }

  private select(s: string): string {
    return `SELECT key, first_seen, last_seen,
      (SELECT json_object_agg(name, total)::text FROM ${s}.user_counts c WHERE c.bot = u.bot AND c.key = u.key) AS counts,
      (SELECT json_object_agg(name, value::json)::text FROM ${s}.user_data d WHERE d.bot = u.bot AND d.key = u.key) AS data
      FROM ${s}.users u`
  }
}

function sumsOf(activity: readonly UserActivity[]): Map<string, Sum> {
  const sums = new Map<string, Sum>()
  for (const { key, at, counts = {} } of activity) {
    const text = storedKey(key)
    let sum = sums.get(text)
    if (sum === undefined) {
      sum = { first: at, last: at, counts: {} }
      sums.set(text, sum)
    }
    sum.first = Math.min(sum.first, at)
    sum.last = Math.max(sum.last, at)
    sum.counts = addedCounts(sum.counts, counts)
  }
  return sums
}
