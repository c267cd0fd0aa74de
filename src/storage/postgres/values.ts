import type { Ms } from '../../core/duration.js'
import { jsonText } from '../contract/json.js'
import { checkSpace, checkValueKey, type ValuePage, type Values } from '../contract/values.js'
import { entryOf, pageOf, rowsFor, storedEnd, type ValueRow } from '../shared/sql.js'
import type { Ready } from './ready.js'

/** Values as JSON texts in a logged table. */
export class PostgresValues implements Values {
  constructor(private readonly ready: Ready) {}

  async get(space: string, key: string): Promise<unknown> {
    checkValueKey(space, key)
    const { link, time } = await this.ready()
    const [row] = await link.queryTable<{ value: string }>(
      'values',
      `SELECT value FROM ${link.s}.values WHERE space = $1 AND key = $2 AND (until IS NULL OR until > ${time('$3')})`,
      [space, key, this.ready.now()],
    )
    return row === undefined ? undefined : (JSON.parse(row.value) as unknown)
  }

  async put(space: string, key: string, value: unknown, until?: Ms): Promise<void> {
    checkValueKey(space, key)
    const text = jsonText(value, `values.${space}`)
    const { link } = await this.ready()
    await link.queryTable(
      'values',
      `INSERT INTO ${link.s}.values (space, key, value, until) VALUES ($1, $2, $3, $4)
       ON CONFLICT (space, key) DO UPDATE SET value = excluded.value, until = excluded.until`,
      [space, key, text, storedEnd(until)],
    )
  }

  async touch(space: string, key: string, until?: Ms): Promise<boolean> {
    checkValueKey(space, key)
    const { link, time } = await this.ready()
    const rows = await link.queryTable(
      'values',
      `UPDATE ${link.s}.values SET until = $3
       WHERE space = $1 AND key = $2 AND (until IS NULL OR until > ${time('$4')}) RETURNING 1`,
      [space, key, storedEnd(until), this.ready.now()],
    )
    return rows.length > 0
  }

  async remove(space: string, key: string): Promise<boolean> {
    checkValueKey(space, key)
    const { link, time } = await this.ready()
    const [row] = await link.queryTable<{ held: boolean }>(
      'values',
      `DELETE FROM ${link.s}.values WHERE space = $1 AND key = $2 RETURNING until IS NULL OR until > ${time('$3')} AS held`,
      [space, key, this.ready.now()],
    )
    return row?.held ?? false
  }

  async scan(space: string, from = '', size?: number): Promise<ValuePage> {
    checkSpace(space)
    const { link, time } = await this.ready()
    const most = rowsFor(size)
    const rows = await link.queryTable<ValueRow>(
      'values',
      `SELECT key, value, until FROM ${link.s}.values
       WHERE space = $1 AND key >= $2 AND (until IS NULL OR until > ${time('$4')}) ORDER BY key LIMIT $3`,
      [space, from, most, this.ready.now()],
    )
    return pageOf(rows, most, entryOf)
  }
}
