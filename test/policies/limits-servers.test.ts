import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { subject } from '../../src/core/subject.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { postgres } from '../../src/storage/postgres/index.js'
import { redis } from '../../src/storage/redis/index.js'
import { type Desk, desk, says } from '../sentinel/desk.js'
import { type RedisServer, startRedis } from '../servers/redis.js'
import { freshName, sharedPostgres } from '../servers/shared.js'
import { until } from '../servers/until.js'
import { calls } from '../storage/redis/desk.js'

const ALICE = 7
const GROUP = -1001000000001

let server: RedisServer
let admin: Redis
let pool: Pool
const schemas: string[] = []
const desks: Desk[] = []

beforeAll(async () => {
  server = await startRedis()
  admin = new Redis(server.url)
  pool = new Pool({ connectionString: await sharedPostgres(), max: 1 })
})

afterAll(async () => {
  for (const schema of schemas) await pool.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`)
  await pool.end()
  admin.disconnect()
  await server.stop()
})

afterEach(async () => {
  for (const { guard } of desks.splice(0)) {
    await guard.close()
    await guard.storage.close()
  }
})

/** Two workers on one server, each with a connection of its own. */
const places = {
  redis: () => {
    const prefix = freshName('limits')
    return [redis(server.url, { prefix }), redis(server.url, { prefix })]
  },
  postgres: async () => {
    const schema = freshName('limits')
    schemas.push(schema)
    const url = await sharedPostgres()
    return [postgres(url, { schema }), postgres(url, { schema })]
  },
}

async function workers(kind: keyof typeof places): Promise<[Desk, Desk]> {
  const storages: Storage[] = await places[kind]()
  const both = storages.map((storage) =>
    desk({
      storage,
      name: 'shop',
      clock: Date.now,
      limits: true,
      throttle: { limit: '4/1h', algorithm: 'fixed', on: ['message'], deny: 'silent' },
      settings: { throttle: { min: '2/1h', max: '9/1h' }, notices: true },
    }),
  ) as [Desk, Desk]
  desks.push(...both)
  for (const each of both) await each.says(99, 'hello')
  return both
}

async function passed(at: Desk, group = false): Promise<number> {
  await at.guard.reset(ALICE)
  const before = at.reached.length
  for (let nth = 0; nth < 12; nth++) await at.handle(says(ALICE, `sentence ${nth}`, { group }))
  return at.reached.length - before
}

describe.each(['redis', 'postgres'] as const)('limits that one worker changes, on %s', (kind) => {
  test('hold in another, for a user, a chat and a role', async () => {
    const [one, other] = await workers(kind)
    expect(await passed(other)).toBe(4)
    await one.guard.limits.set(subject.chat(GROUP), 'user', '6/1h')
    expect([await passed(other), await passed(other, true)]).toEqual([4, 6])
    await one.guard.settings.set(GROUP, { limits: { user: '9/1h' } })
    expect(await passed(other, true)).toBe(6)
    await one.guard.limits.remove(subject.chat(GROUP), 'user')
    expect(await passed(other, true)).toBe(9)
    await one.guard.grant(ALICE, 'vip')
    await one.guard.limits.set({ role: 'vip' }, 'user', '5/1h')
    await until('the other worker has the role in its plan', async () => (await passed(other)) === 5)
    await one.guard.limits.set(ALICE, 'user', '3/1h', { for: '1h' })
    expect([await passed(other), await passed(other, true)]).toEqual([3, 3])
    expect(await one.guard.limits.remove([ALICE, { role: 'vip' }])).toBe(2)
    await until('the role is out of it', async () => (await passed(other)) === 4)
  })

  test('need no further round trip', async () => {
    const [one, other] = await workers(kind)
    const made = async (): Promise<number> =>
      // On Redis marks are also read by scripts, so evalsha counts every request.
      kind === 'redis'
        ? (await calls(admin)).evalsha
        : ((await other.guard.storage.health()).calls?.made ?? Number.NaN)
    const tripsOf = async (): Promise<number> => {
      await other.guard.reset(ALICE)
      // The first request of a plan may have to send its script.
      await other.handle(says(ALICE, 'warm', { group: true }))
      const before = await made()
      for (let nth = 0; nth < 10; nth++) await other.handle(says(ALICE, `${nth}`, { group: true }))
      await other.quiet()
      return (await made()) - before
    }
    // Background reads, such as of cached marks, come to an end; an additional request for each update would not.
    const oneEach = (): Promise<void> =>
      until('ten updates are ten trips', async () => (await tripsOf()) === 10)
    await oneEach()
    await one.guard.grant(ALICE, 'vip')
    await one.guard.limits.set({ role: 'vip' }, 'user', '50/1h')
    await until('the other worker has the role in its plan', async () => (await passed(other)) === 12)
    await oneEach()
    await one.guard.settings.set(GROUP, { limits: { user: '8/1h' } })
    await one.guard.limits.set(subject.chat(GROUP), 'user', '70/1h')
    await one.guard.limits.set(ALICE, 'user', '60/1h')
    expect(await passed(other, true)).toBe(12)
    await oneEach()
  })
})
