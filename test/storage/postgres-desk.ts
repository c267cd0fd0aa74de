import { Pool } from 'pg'
import { type PostgresOptions, postgres } from '../../src/storage/postgres/index.js'
import type { Storage } from '../../src/storage/storage.js'
import { freshName, sharedPostgres } from '../servers/shared.js'

/* Helpers for tests of the Postgres storage, to be used after `useSchemas()`. */

/** The server that all suites share. */
export let url: string
/** Connections of the tests themselves. */
export let pool: Pool
/** The schema of the current test. It is dropped afterwards. */
export let schema: string
/** Storages that are closed after the current test. */
export const opened: Storage[] = []

/** Gives each test a schema of its own. */
export function useSchemas(prefix: string): void {
  beforeAll(async () => {
    url = await sharedPostgres()
    pool = new Pool({ connectionString: url, max: 4 })
  }, 30_000)
  beforeEach(() => {
    schema = freshName(prefix)
  })
  afterEach(async () => {
    await closeAll()
    await pool.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`)
  })
  afterAll(async () => pool.end())
}

export async function closeAll(): Promise<void> {
  for (const storage of opened.splice(0)) await storage.close()
}

/** Opens a storage in the current schema. */
export function open(options: PostgresOptions = {}, connection: string | Pool = url): Storage {
  const storage = postgres(connection, { schema, ...options })
  opened.push(storage)
  return storage
}
