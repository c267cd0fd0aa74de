import { Pool } from 'pg'
import type { Ask, Check, Judge, Plan } from '../../../src/core/check.js'
import { GLOBAL_KEY, type Key } from '../../../src/core/subject.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { type PostgresOptions, postgres } from '../../../src/storage/postgres/index.js'
import { freshName, sharedPostgres } from '../../servers/shared.js'

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

/** A bucket of users. */
export const bucket = (amount: number, per: number, slot = 'user'): Check => ({
  kind: 'bucket',
  guard: 'throttle',
  slot,
  subject: 0,
  limit: { amount, per },
})
/** A claim on the number of an update of a bot. */
export const once: Check = {
  kind: 'claim',
  guard: 'once',
  slot: 'once',
  subject: 1,
  tokens: 'sequence',
  holdFor: 3_600_000,
  whenHeld: 'refuse',
}
/** A plan whose checks are about users and bots. */
export const planOf = (...checks: Check[]): Plan => ({ name: 'chain', scopes: ['user', 'bot'], checks })
const ONES = [1, 1, 1]
/** What an update of a user asks. */
export const askOf = (key: Key, token = 0): Ask => ({
  bot: 42,
  subjects: [key, GLOBAL_KEY],
  costs: ONES,
  tokens: [token],
})
/** Returns how many of several simultaneous asks were admitted. */
export const admitted = async (judge: Judge, asks: readonly Ask[]): Promise<number> => {
  const decisions = await Promise.all(asks.map((ask) => judge.evaluate(ask)))
  return decisions.filter(({ refusedBy }) => refusedBy === -1).length
}
