import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import Database from 'libsql'
import { Pool } from 'pg'
import type { Clock } from '../../src/core/clock.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { memory } from '../../src/storage/memory/memory.js'
import { postgres } from '../../src/storage/postgres/index.js'
import { redis } from '../../src/storage/redis/index.js'
import { sqlite } from '../../src/storage/sqlite/index.js'
import { freshName, sharedPostgres, sharedRedis } from '../servers/shared.js'

/** A storage for sessions that survives the process. */
export interface Place {
  /** Opens the storage as another process would. */
  open(clock?: Clock): Promise<Storage>
  /** Returns everything stored, as a thief of the disk would see it. */
  dump(): Promise<Buffer>
  clear(): Promise<void>
}

/** Memory does not survive a process, so the storages stay open. */
async function inMemory(): Promise<Place> {
  const storages = new Map<Clock | undefined, Storage>()
  return {
    async open(clock) {
      const storage = storages.get(clock) ?? memory(clock === undefined ? {} : { clock })
      storages.set(clock, storage)
      return new Proxy(storage, {
        get: (of, name) => (name === 'close' ? () => undefined : Reflect.get(of, name)),
      })
    },
    async dump() {
      const all = [...storages.values()].map(async ({ archive, values }) => {
        const { spaces = [] } = (await archive?.contents()) ?? {}
        return Promise.all(spaces.map((space) => values.scan(space)))
      })
      return Buffer.from(JSON.stringify(await Promise.all(all)))
    },
    async clear() {
      for (const storage of storages.values()) await storage.close()
    },
  }
}

async function inRedis(): Promise<Place> {
  const url = await sharedRedis()
  const prefix = freshName()
  return {
    open: async (clock) => redis(url, { prefix, ...(clock !== undefined && { clock }) }),
    async dump() {
      const client = new Redis(url)
      try {
        const keys = await client.keys(`*${prefix}*`)
        const dumps = await Promise.all(keys.map((key) => client.dumpBuffer(key)))
        const values = await Promise.all(
          keys.map(async (key) =>
            (await client.type(key)) === 'hash' ? Object.values(await client.hgetallBuffer(key)) : [],
          ),
        )
        return Buffer.concat([
          Buffer.from(keys.join()),
          ...dumps.filter((each) => each !== null),
          ...(values.flat() as Buffer[]),
        ])
      } finally {
        client.disconnect()
      }
    },
    clear: async () => undefined,
  }
}

async function inPostgres(): Promise<Place> {
  const pool = new Pool({ connectionString: await sharedPostgres(), max: 3 })
  const schema = freshName('keep')
  return {
    open: async (clock) => postgres(pool, { schema, ...(clock !== undefined && { clock }) }),
    async dump() {
      const { rows } = await pool.query<{ name: string }>(
        'SELECT tablename AS name FROM pg_tables WHERE schemaname = $1',
        [schema],
      )
      const tables = await Promise.all(
        rows.map(({ name }) => pool.query(`SELECT t::text AS row FROM "${schema}"."${name}" t`)),
      )
      return Buffer.from(JSON.stringify(tables.map((table) => table.rows as unknown)))
    },
    async clear() {
      await pool.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`)
      await pool.end()
    },
  }
}

async function inSqlite(): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'sentinel-session-'))
  const opened: { close(): void }[] = []
  return {
    async open(clock) {
      const database = new Database(join(folder, 'bot.db'), { timeout: 5000 })
      database.exec('PRAGMA journal_mode = WAL')
      opened.push(database)
      return sqlite(database, clock === undefined ? {} : { clock })
    },
    // The bytes of the file and its log.
    dump: async () => Buffer.concat(readdirSync(folder).map((name) => readFileSync(join(folder, name)))),
    async clear() {
      for (const database of opened) database.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** All storages for sessions. */
export const PLACES: readonly (readonly [name: string, make: () => Promise<Place>])[] = [
  ['memory', inMemory],
  ['redis', inRedis],
  ['postgres', inPostgres],
  ['sqlite', inSqlite],
]
