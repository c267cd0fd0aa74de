import { Pool } from 'pg'
import { postgres } from '../../../src/storage/postgres/index.js'
import { freshName, sharedPostgres } from '../../servers/shared.js'
import { conformance } from '../conformance.js'

let pool: Pool
beforeAll(async () => {
  pool = new Pool({ connectionString: await sharedPostgres(), max: 3 })
})
afterAll(async () => pool.end())

conformance<string>('postgres', {
  make: (clock, schema) => postgres(pool, { schema, clock }),
  place: () => freshName('keep'),
  clear: async (schema) => {
    await pool.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`)
  },
  schedules: Number(process.env.SCHEDULES ?? 30),
})
