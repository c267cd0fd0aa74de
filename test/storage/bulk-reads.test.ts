import { Pool } from 'pg'
import { userKey } from '../../src/core/subject.js'
import type { Mark } from '../../src/storage/contract/storage.js'
import { makeResilient } from '../../src/storage/protection/make-resilient.js'
import { desk } from '../sentinel/desk.js'
import { pair } from './failover/pair.js'
import { askOf, BOT, blocked, isAdmitted, planOf } from './outage.js'
import { closeAll, open, pool, schema, url, useSchemas } from './postgres/desk.js'

/* Reads of many marks at once, which no update waits for. */

const BLOCKED: Mark = { since: 1, reason: 'spam' }
const PEOPLE = Array.from({ length: 100 }, (_, index) => 5000 + index)
const entries = PEOPLE.map((id) => ({ key: userKey(id), mark: BLOCKED }))

describe('over Postgres', () => {
  useSchemas('bulk')

  test('reading a hundred marks takes few statements, so that decisions still get a connection', async () => {
    const pool = new Pool({ connectionString: url, max: 6 })
    let statements = 0
    pool.on('connect', (client) => {
      const { query } = client
      client.query = ((...args: Parameters<typeof query>) => {
        statements++
        return query.apply(client, args)
      }) as typeof query
    })
    try {
      const { marks } = open({}, pool)
      await marks.put(BOT, 'blocked', entries.slice(1))
      await marks.put(BOT + 1, 'blocked', entries.slice(0, 1))
      statements = 0
      const found = await Promise.all(entries.map(({ key }) => marks.get(BOT, key, 'blocked')))
      expect(found).toEqual([undefined, ...entries.slice(1).map(({ mark }) => mark)])
      expect(statements).toBeLessThanOrEqual(3)
    } finally {
      await closeAll()
      await pool.end()
    }
  })

  test('a read that the server refuses does not fail others', async () => {
    const { marks } = open()
    await marks.put(BOT, 'blocked', entries)
    const [bad, good] = await Promise.allSettled([
      marks.get(Number.NaN, userKey(5000), 'blocked'),
      marks.get(BOT, userKey(5000), 'blocked'),
    ])
    expect(bad.status).toBe('rejected')
    expect(good).toEqual({ status: 'fulfilled', value: BLOCKED })
  })

  test('a mark that cannot be read does not fail the reads of others', async () => {
    const { marks } = open()
    await marks.put(BOT, 'blocked', entries)
    await pool.query(`UPDATE "${schema}".marks SET value = '{' WHERE key = 'u5000'`)
    const read = [
      ...entries.slice(0, 3).map(({ key }) => marks.get(BOT, key, 'blocked')),
      marks.get(BOT, userKey(5001), undefined as never),
    ]
    const ends = await Promise.allSettled(read)
    expect(ends.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled', 'rejected'])
  })
})

/* Answers take longer than the time-out of a decision, and less than that of a write. */
describe('over failover(), from a storage that answers slowly', () => {
  const SLOW = 150

  test('an import and an unblock succeed, and the storage stays in use', async () => {
    const { time, first, storage, told, done } = pair()
    const { guard, says } = desk({ storage, clock: time.clock, timers: time.timers })
    await done(() => says(8, 'met'))
    first.delay = SLOW
    const list = PEOPLE.map((id) => ({ subject: `u${id}`, since: 1 }))
    expect(await done(() => guard.import({ version: 1, blocked: list }))).toBe(100)
    expect(await done(() => guard.unblock(PEOPLE))).toBe(100)
    expect(told).toEqual([])
    first.delay = 0
    await done(() => guard.close())
  })

  test('blocks that another worker makes are read again, and the storage stays in use', async () => {
    const { time, first, storage, told, pass, done } = pair()
    const resilient = makeResilient(storage, { clock: time.clock, timers: time.timers })
    const judge = await done(() => resilient.prepare(planOf(blocked)))
    await done(() => judge.evaluate(askOf(userKey(8))))
    await pass(1000)
    first.delay = SLOW
    await first.kept.marks.put(BOT, 'blocked', entries)
    await pass(1000)
    expect(told).toEqual([])
    expect((await done(() => resilient.health())).circuit?.copy).toEqual({ marks: 100, complete: true })
    first.delay = 0
    expect(isAdmitted(await done(() => judge.evaluate(askOf(userKey(5000)))))).toBe(false)
    await done(() => resilient.close())
  })
})
