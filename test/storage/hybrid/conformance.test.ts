import { Pool } from 'pg'
import { memory } from '../../../src/storage/memory/memory.js'
import { postgres } from '../../../src/storage/postgres/index.js'
import { redis } from '../../../src/storage/redis/index.js'
import type { StorageOnTrial } from '../../../src/testing/conformance.js'
import { Stage } from '../../middleware/rig.js'
import { freshName, sharedPostgres, sharedRedis } from '../../servers/shared.js'
import { type Audit, audited } from '../audited.js'
import { conformance } from '../conformance.js'
import { faulty } from '../faulty.js'

const SCHEDULES = Number(process.env.SCHEDULES ?? 60)
const audits: Audit[] = []

function newAudit(): Audit {
  const audit = { exact: 0, bans: 0, otherwise: 0 }
  audits.push(audit)
  return audit
}

/**
 * The whole suite, except random plans of two workers taking turns: a server reports a worker’s changes to the other one with a delay,
 * and these schedules do not wait. `flood.test.ts` runs them with immediate reports.
 */
function conformanceOfWorkers<Place>(name: string, trial: StorageOnTrial<Place>): void {
  conformance(name, trial, (promise) => !/two workers taking turns/.test(promise))
}

const overMemory = newAudit()
conformance('hybrid over memory that takes its time', {
  make: (clock) => audited(faulty(clock, new Stage().timers), { clock }, overMemory, memory({ clock })),
  schedules: SCHEDULES * 5,
})

const overRedis = newAudit()
conformanceOfWorkers('hybrid over redis', {
  make: async (clock, prefix) => audited(redis(await sharedRedis(), { prefix, clock }), { clock }, overRedis),
  place: () => freshName(),
  schedules: SCHEDULES,
})

const overPostgres = newAudit()
let pool: Pool
beforeAll(async () => {
  pool = new Pool({ connectionString: await sharedPostgres(), max: 8 })
})
afterAll(() => pool.end())

conformanceOfWorkers<string>('hybrid over postgres', {
  make: (clock, schema) => audited(postgres(pool, { schema, clock }), { clock }, overPostgres),
  place: () => freshName('near'),
  clear: async (schema) => {
    await pool.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`)
  },
  schedules: Math.ceil(SCHEDULES / 4),
})

afterAll(() => {
  // Otherwise the audits would have checked nothing.
  expect(audits.reduce((sum, { exact }) => sum + exact, 0)).toBeGreaterThan(0)
})
