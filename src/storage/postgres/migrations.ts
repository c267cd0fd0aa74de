import type { QueryResultRow } from 'pg'
import { SentinelError } from '../../core/errors.js'
import { asked, type Link } from './link.js'
import { helpers } from './sql/helpers.js'
import { settling } from './sql/settling.js'
import { tables } from './sql/tables.js'

/** The steps from one version to the next, as SQL for a schema (quoted). Published steps are never changed. */
const MIGRATIONS: readonly ((s: string) => string)[] = [(s) => `${tables(s)}\n${helpers(s)}\n${settling(s)}`]

export const LATEST = MIGRATIONS.length

const NAME = /^[a-z_][a-z0-9_]{0,40}$/

/**
 * Checks the name of a schema, which becomes part of statements.
 *
 * @throws SentinelError `option.invalid`.
 */
export function checkSchema(schema: unknown): string {
  if (typeof schema === 'string' && NAME.test(schema) && !schema.startsWith('pg_')) return schema
  throw new SentinelError(
    'option.invalid',
    `postgres.schema: ${JSON.stringify(schema)} is not a valid schema name. Use up to 41 lower-case letters, digits and underscores, such as "grammy_sentinel".`,
  )
}

/** Returns all statements needed from a version on, to be run as one text. */
export function migrationSql(schema: string, from = 0): string {
  const s = `"${checkSchema(schema)}"`
  const steps = MIGRATIONS.slice(from).map(
    (text, index) =>
      `-- Version ${from + index + 1}\n${text(s)}\nINSERT INTO ${s}.versions (version) VALUES (${from + index + 1});`,
  )
  // CREATE SCHEMA requires a right on the whole database, even with IF NOT EXISTS.
  const first =
    from > 0
      ? ''
      : `DO $$BEGIN IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = '${schema}') THEN CREATE SCHEMA IF NOT EXISTS ${s}; END IF; END$$;
CREATE TABLE ${s}.versions (version int4 PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());
`
  return `${first}${steps.join('\n')}`
}

/** Reads the catalogue rather than to_regclass(), which may have cached, from before the lock, that there is nothing. */
const IS_THERE = `SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE nspname = $1 AND relname = 'versions') AS there`

type Ask = <Row extends QueryResultRow>(text: string, values?: readonly unknown[]) => Promise<Row[]>

/** Returns the version of the tables in a schema; 0 if there are none. */
export async function versionOf(schema: string, ask: Ask): Promise<number> {
  const [found] = await ask<{ there: boolean }>(IS_THERE, [schema])
  if (found?.there !== true) return 0
  const [row] = await ask<{ version: number | null }>(
    `SELECT max(version) AS version FROM "${schema}".versions`,
  )
  return row?.version ?? 0
}

/**
 * Brings the schema up to date. Any number of workers may do so at once: one does it, the others wait and find it done.
 *
 * @throws SentinelError `storage.permission` if the role lacks the right, `storage.failed` if migration is needed but not
 * `allowed`, or if the schema is of a later version.
 */
export async function migrate(link: Link, allowed: boolean): Promise<void> {
  const version = await versionOf(link.schema, (text, values) => link.query(text, values))
  if (version === LATEST) return
  if (version > LATEST) {
    throw new SentinelError(
      'storage.failed',
      `postgres: schema ${link.s} has version ${version}, but this package knows ${LATEST} at most. Update grammy-sentinel here too.`,
    )
  }
  if (!allowed) {
    throw new SentinelError(
      'storage.failed',
      `postgres: schema ${link.s} has version ${version} and needs ${LATEST}, and "migrate" is off. Run what "npx grammy-sentinel sql --schema ${link.schema}${version === 0 ? '' : ` --from ${version}`}" prints.`,
    )
  }
  await link.alone(async (client) => {
    const from = await versionOf(
      link.schema,
      async (text, values) => (await client.query(asked(text, values))).rows,
    )
    if (from === LATEST) return
    await client.query(migrationSql(link.schema, from))
  })
}
