import { existsSync } from 'node:fs'
import { SentinelError } from '../core/errors.js'

/*
 * A source of a migration must exist already: opening a storage creates what is missing, so a wrong path would look like an empty source.
 */

/** Rejects a file that does not exist or was not written by a sentinel. */
export async function checkFile(path: string): Promise<void> {
  const name = JSON.stringify(path)
  if (!existsSync(path)) throw nothing(`--from: there is no file ${name}. Check the path.`)
  const [{ openDatabase }, { failureOf }] = await Promise.all([
    import('../storage/sqlite/driver.js'),
    import('../storage/sqlite/link.js'),
  ])
  let isOurs: boolean
  try {
    const database = openDatabase(path)
    try {
      const statement = database.prepare(
        `SELECT count(*) AS tables FROM sqlite_master WHERE name = 'sentinel_meta'`,
      )
      isOurs = (statement.get() as { readonly tables: number }).tables > 0
    } finally {
      database.close()
    }
  } catch (error) {
    throw failureOf(error)
  }
  if (!isOurs) throw nothing(`--from: ${name} holds no data of a sentinel. Check the path.`)
}

/** Rejects a schema that does not exist. */
export async function checkSchema(url: string, schema = 'grammy_sentinel'): Promise<void> {
  const [{ Link }, { versionOf }] = await Promise.all([
    import('../storage/postgres/link.js'),
    import('../storage/postgres/migrations.js'),
  ])
  const link = Link.over(url, schema, 2)
  try {
    if ((await versionOf(schema, (text, values) => link.query(text, values))) > 0) return
  } finally {
    await link.close()
  }
  throw nothing(
    `--from: the database has no data of a sentinel in schema ${JSON.stringify(schema)}. Pass another schema by --from-schema.`,
  )
}

function nothing(what: string): SentinelError {
  return new SentinelError('migrate.refused', what)
}
