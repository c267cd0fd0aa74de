import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Pool } from 'pg'
import { userKey } from '../../../src/core/subject.js'
import { postgres } from '../../../src/storage/postgres/index.js'
import { type PostgresServer, startPostgres } from '../../servers/postgres.js'
import { askOf, bucket, planOf } from './desk.js'

/* After a switch-over, the address of the server may lead to a standby. */

const ENGLISH = 'cannot access temporary or unlogged relations during recovery'
const GERMAN =
  'während der Wiederherstellung kann nicht auf temporäre oder ungeloggte Tabellen zugegriffen werden'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
}, 30_000)
afterAll(() => server.stop())

/** Makes a pool report a message of the server in another language, as with another `lc_messages`. */
function translated(pool: Pool): Pool {
  const query = pool.query.bind(pool) as (...args: unknown[]) => Promise<unknown>
  const translate = (error: Error): never => {
    if (error.message === ENGLISH) error.message = GERMAN
    throw error
  }
  return Object.assign(pool, { query: (...args: unknown[]) => query(...args).catch(translate) })
}

test('a standby is named as the reason, in whatever language it reports its errors', async () => {
  const pools = [
    new Pool({ connectionString: server.url }),
    translated(new Pool({ connectionString: server.url })),
  ]
  for (const pool of pools) pool.on('error', () => undefined)
  const storages = pools.map((pool) => postgres(pool))
  try {
    const plan = planOf(bucket(5, 3_600_000))
    const judges = await Promise.all(storages.map(async (storage) => storage.prepare(plan)))
    for (const judge of judges) await judge.evaluate(askOf(userKey(7)))
    writeFileSync(join(server.dir, 'data', 'standby.signal'), '')
    await server.restart()
    const answers = await Promise.allSettled(judges.map(async (judge) => judge.evaluate(askOf(userKey(7)))))
    expect(answers).toMatchObject(
      [ENGLISH, GERMAN].map((words) => ({
        reason: {
          code: 'storage.readonly',
          message: expect.stringMatching(`${words} \\(0A000\\).*Connect to the primary`),
        },
      })),
    )
  } finally {
    for (const storage of storages) await storage.close()
    for (const pool of pools) await pool.end()
  }
})
