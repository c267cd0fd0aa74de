import { Cluster, Redis } from 'ioredis'
import { userKey } from '../../../src/core/subject.js'
import { redis } from '../../../src/storage/redis/index.js'
import { freshName, sharedCluster, sharedRedis } from '../../servers/shared.js'
import { ALICE, admits, askOf, BOT, blocked, bucket, planOf } from './desk.js'

/* Options of a client that is passed in may change the types of answers. */

const USERS = Array.from({ length: 5 }, (_, index) => userKey(1 + index))

beforeAll(async () => void (await Promise.all([sharedRedis(), sharedCluster()])), 60_000)

test.each([
  [
    'one server',
    async () => new Redis(await sharedRedis(), { stringNumbers: true, autoResendUnfulfilledCommands: false }),
  ],
  [
    'a cluster',
    async () =>
      new Cluster([await sharedCluster()], {
        retryDelayOnFailover: 0,
        redisOptions: { stringNumbers: true },
      }),
  ],
])('a client of %s that returns numbers as text gives the same answers', async (_, connect) => {
  const client = await connect()
  const storage = redis(client, { prefix: freshName() })
  const { marks, users, values } = storage
  const mark = { since: 1 }
  await marks.put(
    BOT,
    'blocked',
    USERS.map((key) => ({ key, mark })),
  )
  expect(await marks.remove(BOT, 'blocked', USERS)).toBe(5)
  expect(await marks.remove(BOT, 'blocked', USERS)).toBe(0)
  await users.note(
    BOT,
    USERS.map((key) => ({ key, at: 1 })),
  )
  const page = await users.scan(BOT, '', 3)
  expect(page.users).toHaveLength(3)
  expect((await users.scan(BOT, page.next, 3)).users).toHaveLength(2)
  expect([await users.erase(BOT, userKey(1)), await users.erase(BOT, userKey(1))]).toEqual([true, false])
  for (let key = 0; key < 300; key++) await values.put('space', `${key}`, key)
  const found: string[] = []
  for (let from: string | undefined; ; ) {
    const { entries, next } = await values.scan('space', from, 2)
    found.push(...entries.map(({ key }) => key))
    if (next === undefined) break
    from = next
  }
  expect(new Set(found).size).toBe(300)
  expect([await values.touch?.('space', '1', 9e15), await values.touch?.('space', 'x')]).toEqual([
    true,
    false,
  ])
  expect([await values.remove('space', '1'), await values.remove('space', '1')]).toEqual([true, false])
  const judge = await storage.prepare(planOf(blocked, bucket(1, 3_600_000)))
  expect([await admits(judge, askOf(ALICE)), await admits(judge, askOf(ALICE))]).toEqual([true, false])
  await storage.close()
  client.disconnect()
})
