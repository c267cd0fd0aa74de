import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { turn } from '../../core/turn.js'
import { jsonText } from '../contract/json.js'
import { checkSpace, checkValueKey, type ValuePage, type Values } from '../contract/values.js'
import { entryOf, pageOf, rowsFor, storedEnd, type ValueRow } from '../shared/sql.js'
import type { Link } from './link.js'

/** Values as JSON texts in a table. */
export class SqliteValues implements Values {
  constructor(
    private readonly link: Link,
    private readonly clock: Clock,
  ) {}

  async get(space: string, key: string): Promise<unknown> {
    checkValueKey(space, key)
    const row = this.link.read(() =>
      this.link.get<{ value: string }>(
        'SELECT value FROM sentinel_values WHERE space = ? AND key = ? AND (until IS NULL OR until > ?)',
        space,
        key,
        this.clock(),
      ),
    )
    return row === undefined ? undefined : (JSON.parse(row.value) as unknown)
  }

  async put(space: string, key: string, value: unknown, until?: Ms): Promise<void> {
    checkValueKey(space, key)
    const text = jsonText(value, `values.${space}`)
    this.link.write(() =>
      this.link.run(
        'INSERT OR REPLACE INTO sentinel_values (space, key, value, until) VALUES (?, ?, ?, ?)',
        space,
        key,
        text,
        storedEnd(until),
      ),
    )
  }

  async touch(space: string, key: string, until?: Ms): Promise<boolean> {
    checkValueKey(space, key)
    return this.link.write(() => {
      if (!this.#isLive(space, key)) return false
      this.link.run(
        'UPDATE sentinel_values SET until = ? WHERE space = ? AND key = ?',
        storedEnd(until),
        space,
        key,
      )
      return true
    })
  }

  async remove(space: string, key: string): Promise<boolean> {
    checkValueKey(space, key)
    return this.link.write(() => {
      const held = this.#isLive(space, key)
      this.link.run('DELETE FROM sentinel_values WHERE space = ? AND key = ?', space, key)
      return held
    })
  }

  async scan(space: string, from = '', size?: number): Promise<ValuePage> {
    checkSpace(space)
    if (from !== '') await turn()
    const most = rowsFor(size)
    const rows = this.link.read(() =>
      this.link.all<ValueRow>(
        `SELECT key, value, until FROM sentinel_values
         WHERE space = ? AND key >= ? AND (until IS NULL OR until > ?) ORDER BY key LIMIT ?`,
        space,
        from,
        this.clock(),
        most,
      ),
    )
    return pageOf(rows, most, entryOf)
  }

  #isLive(space: string, key: string): boolean {
    const found = this.link.get(
      'SELECT 1 AS live FROM sentinel_values WHERE space = ? AND key = ? AND (until IS NULL OR until > ?)',
      space,
      key,
      this.clock(),
    )
    return found !== undefined
  }
}
