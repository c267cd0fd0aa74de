import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Key } from '../../core/subject.js'
import { turn } from '../../core/turn.js'
import { jsonText } from '../contract/json.js'
import { canonicalKey } from '../contract/keys.js'
import type { Mark, MarkEntry, MarkPage, Marks } from '../contract/storage.js'
import {
  MARK_COLUMNS,
  type MarkRow,
  markOf,
  marksOf,
  pageOf,
  readKey,
  readText,
  rowsFor,
  storedEnd,
  storedKey,
  storedText,
} from '../shared/sql.js'
import type { Changes } from './changes.js'
import type { Link } from './link.js'

/** A write of this many marks is followed by a turn of the event loop: long lists come in portions, and each takes milliseconds. */
const MANY = 50

/** The parts of a mark that a judge needs. */
export interface HeldMark {
  readonly until: Ms
  readonly value: string | null
}

/** Marks in a table, indexed by subject and by name. */
export class SqliteMarks implements Marks {
  constructor(
    private readonly link: Link,
    private readonly clock: Clock,
    private readonly changes: Changes,
  ) {}

  async get(bot: number, key: Key, name: string): Promise<Mark | undefined> {
    return (await this.of(bot, key)).get(name)
  }

  async of(bot: number, key: Key): Promise<ReadonlyMap<string, Mark>> {
    const rows = this.link.read(() =>
      this.link.all<MarkRow>(
        `SELECT ${MARK_COLUMNS} FROM sentinel_marks WHERE bot = ? AND key = ? AND (until IS NULL OR until > ?)`,
        bot,
        storedKey(key),
        this.clock(),
      ),
    )
    return marksOf(rows)
  }

  async put(bot: number, name: string, entries: readonly MarkEntry[]): Promise<void> {
    if (entries.length === 0) return
    const rows = entries.map(({ key, mark }) => ({
      key: storedKey(key),
      mark,
      value: mark.value === undefined ? null : jsonText(mark.value, `marks.${name}`),
    }))
    this.link.write(() => {
      for (const { key, mark, value } of rows) {
        this.link.run(
          'INSERT OR REPLACE INTO sentinel_marks (bot, key, name, since, until, reason, value) VALUES (?, ?, ?, ?, ?, ?, ?)',
          bot,
          key,
          storedText(name),
          mark.since,
          storedEnd(mark.until),
          mark.reason === undefined ? null : storedText(mark.reason),
          value,
        )
      }
      this.#note(
        bot,
        name,
        entries.map(({ key }) => key),
      )
    })
    this.changes.made()
    if (entries.length >= MANY) await turn()
  }

  async remove(bot: number, name: string, keys: readonly Key[]): Promise<number> {
    if (keys.length === 0) return 0
    const now = this.clock()
    const count = this.link.write(() => {
      let held = 0
      for (const key of new Set(keys.map(storedKey))) {
        const own = [bot, key, storedText(name)] as const
        const row = this.link.get<{ until: number | null }>(
          'SELECT until FROM sentinel_marks WHERE bot = ? AND key = ? AND name = ?',
          ...own,
        )
        if (row === undefined) continue
        if (row.until === null || row.until > now) held++
        this.link.run('DELETE FROM sentinel_marks WHERE bot = ? AND key = ? AND name = ?', ...own)
      }
      this.#note(bot, name, keys)
      return held
    })
    this.changes.made()
    if (keys.length >= MANY) await turn()
    return count
  }

  async scan(bot: number, name: string, from = '', size?: number): Promise<MarkPage> {
    if (from !== '') await turn()
    const most = rowsFor(size)
    const rows = this.link.read(() =>
      this.link.all<MarkRow>(
        `SELECT ${MARK_COLUMNS} FROM sentinel_marks
         WHERE bot = ? AND name = ? AND key >= ? AND (until IS NULL OR until > ?) ORDER BY key LIMIT ?`,
        bot,
        storedText(name),
        from,
        this.clock(),
        most,
      ),
    )
    return pageOf(rows, most, (row) => ({ key: readKey(row.key), mark: markOf(row) }))
  }

  /** Returns all marks of a subject, including lapsed ones. Runs within a transaction of the caller. */
  heldBy(bot: number, key: string): ReadonlyMap<string, HeldMark> {
    const rows = this.link.all<Pick<MarkRow, 'name' | 'until' | 'value'>>(
      'SELECT name, until, value FROM sentinel_marks WHERE bot = ? AND key = ?',
      bot,
      key,
    )
    const held = new Map<string, HeldMark>()
    for (const { name, until, value } of rows) {
      held.set(readText(name), { until: until ?? Number.POSITIVE_INFINITY, value })
    }
    return held
  }

  #note(bot: number, name: string, keys: readonly Key[]): void {
    this.changes.note({ kind: 'marks', bot, name, keys: [...new Set(keys.map(canonicalKey))] })
  }
}
