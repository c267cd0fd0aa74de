import { Redis } from 'ioredis'
import type { SentinelError } from '../../../src/core/errors.js'
import { userKey } from '../../../src/core/subject.js'
import { redis } from '../../../src/storage/redis/index.js'
import { startProxy } from '../../servers/proxy.js'
import { type RedisServer, startRedis } from '../../servers/redis.js'
import { freshName } from '../../servers/shared.js'
import { until } from '../../servers/until.js'
import { ALICE, admits, askOf, BOB, bucket, CHAIN, calls, planOf } from './desk.js'

let server: RedisServer
let admin: Redis
beforeAll(async () => {
  server = await startRedis()
  admin = new Redis(server.url)
})
afterAll(async () => {
  admin.disconnect()
  await server.stop()
})

/** A judge that has been used, so that the server knows its script. */
async function warm(plan = CHAIN) {
  const storage = redis(server.url, { prefix: freshName() })
  const judge = await storage.prepare(plan)
  await judge.evaluate(askOf(userKey(1_000_000), [999, 999, 999]))
  return { storage, judge }
}

async function trips(during: () => unknown): Promise<number> {
  const before = await calls(admin)
  await during()
  const after = await calls(admin)
  expect(after.eval).toBe(before.eval)
  return after.evalsha - before.evalsha
}

describe('round trips, as the server counts them', () => {
  test('a chain of five checks needs one call', async () => {
    const { storage, judge } = await warm()
    expect(await trips(() => judge.evaluate(askOf(ALICE, [1, 2, 3])))).toBe(1)
    await storage.close()
  })

  test('when idle, each ask is sent at once', async () => {
    const { storage, judge } = await warm()
    let token = 0
    const oneByOne = async (): Promise<void> => {
      for (let nth = 0; nth < 20; nth++) await judge.evaluate(askOf(userKey(nth), [++token, token, token]))
    }
    expect(await trips(oneByOne)).toBe(20)
    await storage.close()
  })

  test('200 asks of one turn share few calls, and each is decided separately', async () => {
    const { storage, judge } = await warm(planOf(bucket(1, 3_600_000)))
    // The second of three users has used up its limit.
    await judge.evaluate(askOf(BOB))
    const users = [ALICE, BOB, userKey(9)]
    const asks = Array.from({ length: 200 }, (_, nth) => askOf(nth < 3 ? users[nth] : userKey(100 + nth)))
    let admitted: number[] = []
    const together = async (): Promise<void> => {
      const decisions = await Promise.all(asks.map((ask) => judge.evaluate(ask)))
      admitted = decisions.flatMap(({ refusedBy }, nth) => (refusedBy === -1 ? [nth] : []))
    }
    expect(await trips(together)).toBeLessThanOrEqual(4)
    expect(admitted).toEqual(asks.flatMap((_, nth) => (nth === 1 ? [] : [nth])))
    await storage.close()
  })

  test('two asks of one user in a call are decided in order', async () => {
    const { storage, judge } = await warm(planOf(bucket(3, 3_600_000)))
    let refusals: number[] = []
    let left: (number | undefined)[] = []
    const together = async (): Promise<void> => {
      const decisions = await Promise.all(Array.from({ length: 5 }, () => judge.evaluate(askOf())))
      refusals = decisions.map(({ refusedBy }) => refusedBy)
      left = decisions.map(({ remaining }) => remaining[0])
    }
    expect(await trips(together)).toBe(1)
    expect(refusals).toEqual([-1, -1, -1, 0, 0])
    expect(left.map((each) => Math.floor((each ?? Number.NaN) + 1e-3))).toEqual([2, 1, 0, 0, 0])
    await storage.close()
  })

  test('settlements share calls with the asks of their turn', async () => {
    const { storage, judge } = await warm()
    const { receipt } = await judge.evaluate(askOf(ALICE, [1, 2, 3]))
    if (receipt === undefined) throw new Error('there is no receipt')
    const both = () =>
      Promise.all([judge.settle(receipt, 'refund'), judge.evaluate(askOf(BOB, [11, 12, 13]))])
    expect(await trips(both)).toBe(1)
    await storage.close()
  })

  test('the queue is bounded: further asks are refused at once, and the rest is decided when the server answers', async () => {
    const proxy = await startProxy(server.port)
    const storage = redis(proxy.urlOf(server.url), { prefix: freshName() })
    const judge = await storage.prepare(planOf(bucket(100_000, 3_600_000)))
    await judge.evaluate(askOf())
    proxy.blackHole()
    const outcomes: string[] = []
    const ask = async (): Promise<void> => {
      try {
        await judge.evaluate(askOf())
        outcomes.push('decided')
      } catch (error) {
        outcomes.push((error as SentinelError).code)
      }
    }
    const asks = Array.from({ length: 12_000 }, ask)
    await until('some are refused', () => outcomes.length > 0)
    expect(new Set(outcomes)).toEqual(new Set(['storage.overloaded']))
    const refused = outcomes.length
    // Ten thousand wait; the requests of calls under way do not count.
    expect(refused).toBeGreaterThanOrEqual(12_000 - 10_000 - 2 * 256)
    expect(refused).toBeLessThanOrEqual(2000)
    await proxy.normal()
    await Promise.all(asks)
    expect(outcomes.filter((each) => each === 'decided')).toHaveLength(12_000 - refused)
    expect(await admits(judge)).toBe(true)
    await storage.close()
    await proxy.stop()
  })
})

describe('the script', () => {
  test('is sent when it is first used, and called by its hash from then on', async () => {
    const storage = redis(server.url, { prefix: freshName() })
    const judge = await storage.prepare(planOf(bucket(1000, 1000, freshName())))
    const before = await calls(admin)
    for (let nth = 0; nth < 5; nth++) expect(await admits(judge)).toBe(true)
    const after = await calls(admin)
    expect(after.eval - before.eval).toBe(1)
    expect(after.evalsha - before.evalsha).toBe(5)
    await storage.close()
  })

  test('is sent again when the server has forgotten it, without an error', async () => {
    const { storage, judge } = await warm(planOf(bucket(2, 3_600_000)))
    expect(await admits(judge)).toBe(true)
    await admin.script('FLUSH', 'SYNC')
    expect(await admits(judge)).toBe(true)
    expect(await admits(judge)).toBe(false)
    await storage.marks.put(1, 'x', [{ key: ALICE, mark: { since: 1 } }])
    await admin.script('FLUSH', 'SYNC')
    expect((await storage.marks.get(1, ALICE, 'x'))?.since).toBe(1)
    await storage.close()
  })

  test('is sent again to a restarted server, which has kept its counts', async () => {
    const own = await startRedis({ appendOnly: true })
    const storage = redis(own.url)
    try {
      const judge = await storage.prepare(planOf(bucket(2, 3_600_000)))
      expect(await admits(judge)).toBe(true)
      await own.restart()
      await until('it is connected again', async () => (await storage.health()).ok)
      expect(await admits(judge)).toBe(true)
      expect(await admits(judge)).toBe(false)
    } finally {
      await storage.close()
      await own.stop()
    }
  })
})

test('health() reports calls, how many asks shared them, and the queue', async () => {
  const { storage, judge } = await warm(planOf(bucket(1000, 3_600_000)))
  const before = (await storage.health()).calls
  await Promise.all(Array.from({ length: 200 }, (_, nth) => judge.evaluate(askOf(userKey(nth)))))
  await judge.evaluate(askOf(ALICE))
  const { made, questions, failed, waiting, sizes } = (await storage.health()).calls as NonNullable<
    typeof before
  >
  expect(questions - (before?.questions ?? 0)).toBe(201)
  expect(made - (before?.made ?? 0)).toBeLessThan(20)
  expect([failed, waiting]).toEqual([0, 0])
  expect(sizes.reduce((sum, { calls }) => sum + calls, 0)).toBe(made)
  // The first and the last request were sent alone; the 200 others in calls of 17 and more.
  expect(sizes.map(({ calls }) => calls).slice(0, 5)).toEqual([2, 0, 0, 0, 0])
  await storage.close()
})
