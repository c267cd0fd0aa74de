import type { Key } from '../../core/subject.js'
import { jsonText } from '../contract/json.js'
import { canonicalKey } from '../contract/keys.js'
import { isSoundLimit } from '../contract/plan.js'
import type { Mark, MarkEntry, MarkPage, Marks } from '../contract/storage.js'
import {
  MARK_COLUMNS,
  type MarkRow,
  markOf,
  marksOf,
  pageOf,
  readKey,
  rowsFor,
  storedKey,
  storedText,
} from '../shared/sql.js'
import { BatchedLookUp } from './batched-look-up.js'
import { channelOf, marksPayloads } from './changes.js'
import { stateOf } from './failures.js'
import type { Ready } from './ready.js'

/** Maximum number of marks written by one statement. */
const MOST_AT_ONCE = 5000
/** Concurrent statements that read marks: the other connections of a pool remain for decisions. */
const READS_OUT = 2

/** A mark that is looked up. */
interface Sought {
  readonly bot: number
  readonly key: Key
  /** As stored. */
  readonly name: string
}

/**
 * Marks in a logged table, which survives a crash. Rows are locked in one order, so that workers wait for each other without
 * deadlocks.
 */
export class PostgresMarks implements Marks {
  private readonly reading = new BatchedLookUp<Sought, Mark | undefined>(
    (sought) => this.readAll(sought),
    READS_OUT,
  )

  constructor(private readonly ready: Ready) {}

  async get(bot: number, key: Key, name: string): Promise<Mark | undefined> {
    return this.reading.ask({ bot, key: canonicalKey(key), name: storedText(name) })
  }

  async of(bot: number, key: Key): Promise<ReadonlyMap<string, Mark>> {
    const { link, subjects, time } = await this.ready()
    const own = canonicalKey(key)
    const rows = await link.query<MarkRow>(
      `SELECT ${MARK_COLUMNS} FROM ${link.s}.marks
       WHERE bot = $1 AND subject = $2 AND key = $3 AND (until IS NULL OR until > ${time('$4')})`,
      [bot, subjects.numberOf(own), storedKey(own), this.ready.now()],
    )
    return marksOf(rows)
  }

  async put(bot: number, name: string, entries: readonly MarkEntry[]): Promise<void> {
    if (entries.length === 0) return
    const { link, subjects } = await this.ready()
    // If a subject occurs more than once, the last mark counts.
    const rows = new Map(entries.map(({ key, mark }) => [canonicalKey(key), mark]))
    const all = [...rows]
    for (let from = 0; from < all.length; from += MOST_AT_ONCE) {
      const part = all.slice(from, from + MOST_AT_ONCE)
      const limits = part.map(([, { value }]) => (isSoundLimit(value) ? value : undefined))
      await link.queryTable(
        'marks',
        `WITH put AS (INSERT INTO ${link.s}.marks (bot, name, subject, key, since, until, reason, value, amount, per, burst)
         SELECT $1::int8, $2::text, whose, whose_key, at, nullif(ends, 'Infinity'), substr(nullif(why, ''), 2), nullif(what, ''),
           nullif(most, -1), nullif(span, -1), nullif(top, -1)
         FROM unnest($3::int8[], $4::text[], $5::float8[], $6::float8[], $7::text[], $8::text[], $9::int8[], $10::int8[],
           $11::int8[]) AS w(whose, whose_key, at, ends, why, what, most, span, top)
         ORDER BY whose, whose_key COLLATE "C"
         ON CONFLICT (bot, subject, name, key) DO UPDATE SET since = excluded.since, until = excluded.until,
           reason = excluded.reason, value = excluded.value, amount = excluded.amount, per = excluded.per,
           burst = excluded.burst)
         SELECT pg_notify($12, told) FROM unnest($13::text[]) told`,
        [
          bot,
          storedText(name),
          part.map(([key]) => subjects.numberOf(key)),
          part.map(([key]) => storedKey(key)),
          part.map(([, { since }]) => since),
          // Nothing is written as NULL in an array: where the server's `array_nulls` is off, that is a text.
          part.map(([, { until = Number.POSITIVE_INFINITY }]) => until),
          part.map(([, { reason }]) => (reason === undefined ? '' : `=${storedText(reason)}`)),
          part.map(([, { value }]) => (value === undefined ? '' : jsonText(value, `marks.${name}`))),
          limits.map((limit) => limit?.amount ?? -1),
          limits.map((limit) => limit?.per ?? -1),
          limits.map((limit) => limit?.burst ?? limit?.amount ?? -1),
          channelOf(link.schema),
          marksPayloads(
            bot,
            name,
            part.map(([key]) => key),
          ),
        ],
      )
    }
  }

  async remove(bot: number, name: string, keys: readonly Key[]): Promise<number> {
    if (keys.length === 0) return 0
    const { link, subjects, time } = await this.ready()
    const own = [...new Set(keys.map(canonicalKey))]
    const rows = await link.queryTable<{ held: number }>(
      'marks',
      // Each row is found by its own look-up, and none by `bot = $1 AND name = $2` alone: until the table is analyzed, the planner
      // takes these for very few rows, and would compare every mark of the bot with every subject.
      `WITH held AS MATERIALIZED (
         SELECT m.* FROM (
           SELECT * FROM unnest($3::int8[], $4::text[]) AS u(wanted, wanted_key) ORDER BY wanted, wanted_key COLLATE "C"
         ) w CROSS JOIN LATERAL (
           SELECT bot, name, subject, key FROM ${link.s}.marks
           WHERE bot = $1 AND subject = wanted AND name = $2 AND key = wanted_key FOR UPDATE
         ) m
       ), gone AS (
         DELETE FROM ${link.s}.marks m USING held
         WHERE m.bot = held.bot AND m.subject = held.subject AND m.name = held.name AND m.key = held.key
         RETURNING until IS NULL OR until > ${time('$5')} AS held
       )
       SELECT (SELECT count(*) FROM gone WHERE held)::int4 AS held,
         (SELECT count(pg_notify($6, told)) FROM unnest($7::text[]) told) AS told`,
      [
        bot,
        storedText(name),
        own.map((key) => subjects.numberOf(key)),
        own.map(storedKey),
        this.ready.now(),
        channelOf(link.schema),
        marksPayloads(bot, name, own),
      ],
    )
    return rows[0]?.held ?? 0
  }

  async scan(bot: number, name: string, from = '', size?: number): Promise<MarkPage> {
    const { link, time } = await this.ready()
    const most = rowsFor(size)
    const rows = await link.query<MarkRow>(
      `SELECT ${MARK_COLUMNS} FROM ${link.s}.marks
       WHERE bot = $1 AND name = $2 AND key >= $3 AND (until IS NULL OR until > ${time('$5')})
       ORDER BY key LIMIT $4`,
      [bot, storedText(name), from, most, this.ready.now()],
    )
    return pageOf(rows, most, (row) => ({ key: readKey(row.key), mark: markOf(row) }))
  }

  private async readAll(sought: readonly Sought[]): Promise<readonly Promise<Mark | undefined>[]> {
    try {
      return await this.read(sought)
    } catch (error) {
      // The server does not take one of the texts, as where its encoding lacks a character. Only that read must fail.
      if (sought.length === 1 || !stateOf(error).startsWith('22')) throw error
      return sought.map(async (each) => (await this.read([each]))[0])
    }
  }

  /** Returns marks in the order in which they are sought. */
  private async read(sought: readonly Sought[]): Promise<readonly Promise<Mark | undefined>[]> {
    const { link, subjects, time } = await this.ready()
    // With LIMIT each mark is looked up in the index, even where the planner knows nothing of the table yet.
    const rows = await link.query<MarkRow & { nth: number }>(
      `SELECT nth::int4, m.* FROM unnest($1::int8[], $2::int8[], $3::text[], $4::text[])
         WITH ORDINALITY AS w(whose_bot, whose, whose_key, what, nth)
       CROSS JOIN LATERAL (SELECT ${MARK_COLUMNS} FROM ${link.s}.marks
         WHERE bot = whose_bot AND subject = whose AND name = what AND key = whose_key
           AND (until IS NULL OR until > ${time('$5')}) LIMIT 1) m`,
      [
        sought.map(({ bot }) => bot),
        sought.map(({ key }) => subjects.numberOf(key)),
        sought.map(({ key }) => storedKey(key)),
        sought.map(({ name }) => name),
        this.ready.now(),
      ],
    )
    const found = new Map(rows.map((row) => [row.nth, row]))
    // Each row is parsed for its own read: a damaged one must not fail the others.
    return sought.map(async (_, index) => {
      const row = found.get(index + 1)
      return row && markOf(row)
    })
  }
}
