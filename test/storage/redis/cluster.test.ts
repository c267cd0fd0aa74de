import { setTimeout as sleep } from 'node:timers/promises'
import { jest } from '@jest/globals'
import { type Cluster, Cluster as ClusterClient, Redis } from 'ioredis'
import type { SentinelError } from '../../../src/core/errors.js'
import { userKey } from '../../../src/core/subject.js'
import { redis } from '../../../src/storage/redis/index.js'
import { type ClusterNode, type RedisCluster, startCluster } from '../../servers/cluster.js'
import { startProxy } from '../../servers/proxy.js'
import { freshName, sharedCluster } from '../../servers/shared.js'
import { Stopwatch } from '../../servers/stopwatch.js'
import { until } from '../../servers/until.js'
import { conformance } from '../conformance.js'
import { askOf, BOT, bucket, CHAIN, calls, nodesOf, ONES, planOf } from './desk.js'

conformance<string>('redis on a cluster', {
  place: freshName,
  make: async (clock, prefix) => redis([await sharedCluster()], { prefix, clock }),
  schedules: Number(process.env.SCHEDULES ?? 100),
})

describe('on a cluster of three nodes', () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = new ClusterClient([await sharedCluster()])
  })
  afterAll(() => cluster.disconnect())

  test('bots are distributed over all nodes, and all keys of a bot are on one node', async () => {
    const prefix = freshName()
    const storage = redis([await sharedCluster()], { prefix })
    const judge = await storage.prepare(CHAIN)
    const bots = Array.from({ length: 60 }, (_, index) => 1000 + index)
    for (const bot of bots) await storage.marks.put(bot, 'seen', [{ key: userKey(1), mark: { since: 1 } }])
    const decisions = await Promise.all(
      bots.map((bot) => judge.evaluate({ ...askOf(userKey(1), [1, 2, 3]), bot })),
    )
    expect(decisions.map(({ refusedBy }) => refusedBy)).toEqual(bots.map(() => -1))
    const found = await Promise.all(
      nodesOf(cluster).map(async (node) => {
        const keys = await node.keys(`${prefix}:*`)
        return new Set(keys.map((key) => /\{(\d+)\}/.exec(key)?.[1]))
      }),
    )
    for (const held of found) expect(held.size).toBeGreaterThan(5)
    // No bot has keys on two nodes.
    expect(found.reduce((sum, held) => sum + held.size, 0)).toBe(bots.length)
    await storage.close()
  })

  test('a script is loaded on a node at its first use, and again after the node has lost it', async () => {
    const storage = redis([await sharedCluster()], { prefix: freshName() })
    const judge = await storage.prepare(planOf(bucket(100_000, 1000, freshName())))
    const everywhere = async (): Promise<void> => {
      const asks = Array.from({ length: 30 }, (_, bot) => judge.evaluate({ ...askOf(userKey(1)), bot }))
      for (const { refusedBy } of await Promise.all(asks)) expect(refusedBy).toBe(-1)
    }
    await everywhere()
    for (const node of nodesOf(cluster)) await node.script('FLUSH', 'SYNC')
    const before = await Promise.all(nodesOf(cluster).map(calls))
    await everywhere()
    await everywhere()
    const after = await Promise.all(nodesOf(cluster).map(calls))
    // Bots of a node are evaluated concurrently in separate calls, each of which may find the script missing once.
    for (const [nth, { eval: evals }] of after.entries()) {
      expect(evals - (before[nth]?.eval ?? 0)).toBeGreaterThanOrEqual(1)
      expect(evals - (before[nth]?.eval ?? 0)).toBeLessThanOrEqual(30)
    }
    await storage.close()
  })

  test('a storage that only watches receives changes', async () => {
    const prefix = freshName()
    const [near, far] = [
      redis([await sharedCluster()], { prefix }),
      redis([await sharedCluster()], { prefix }),
    ]
    const told: string[] = []
    await near.watch(({ kind }) => told.push(kind))
    const watch = new Stopwatch()
    // Changes are published on the node of the bot, and received on any node.
    for (let bot = 1; bot <= 12; bot++) {
      await far.marks.put(bot, 'blocked', [{ key: userKey(1), mark: { since: 1 } }])
    }
    while (told.length < 12 && watch.passed < 2000) await new Promise(setImmediate)
    expect(told).toEqual(Array(12).fill('marks'))
    watch.stop()
    expect(watch.passed).toBeLessThan(1000)
    await near.close()
    await far.close()
  })

  test('concurrent charges of many bots are counted separately', async () => {
    const storage = redis([await sharedCluster()], { prefix: freshName() })
    const judge = await storage.prepare(planOf(bucket(3, 3_600_000)))
    const asks = Array.from({ length: 50 }, (_, nth) =>
      judge.evaluate({ bot: nth % 10, subjects: [userKey(1)], costs: ONES, tokens: [] }),
    )
    const admitted = (await Promise.all(asks)).filter(({ refusedBy }) => refusedBy === -1)
    expect(admitted).toHaveLength(30)
    await storage.close()
  })
})

test('a charge in flight to a lost node of a cluster is made at most once', async () => {
  const cluster = await startCluster({ nodeTimeout: 30_000 })
  const storage = redis(cluster.urls)
  try {
    const judge = await storage.prepare(planOf(bucket(1000, 86_400_000)))
    const left = async (): Promise<number> => Math.ceil((await judge.peek(askOf())).remaining[0] as number)
    await judge.evaluate(askOf())
    const before = await left()
    const { server } = await cluster.ownerOf(`sentinel:{${BOT}}:clock`)
    // The server has received the charge, and answers only after the client has given up.
    server.suspend()
    const charge = (async () => judge.evaluate(askOf()))().then(
      () => 'charged',
      (error: SentinelError) => error.code,
    )
    // A client that resends the charge would do so by then, and reach the resumed server.
    await Promise.race([charge, sleep(7000, undefined, { ref: false })])
    server.resume()
    expect(await charge).toBe('storage.failed')
    await until('it is connected again', async () => {
      try {
        return (await left()) <= before
      } catch {
        return false
      }
    })
    // Once, or never if the server noticed the end of the connection before it read the charge.
    expect(before - (await left())).toBeLessThanOrEqual(1)
  } finally {
    await storage.close()
    await cluster.stop()
  }
})

/** Begins to move the slot of a bot to another node: so far, only this key has moved. */
async function beginMoving(cluster: RedisCluster, first: string) {
  const from = await cluster.ownerOf(first)
  const to = cluster.nodes.find((node) => node !== from) as ClusterNode
  const [source, target] = [from, to].map(
    ({ server }) => new Redis(server.url, { disconnectTimeout: 50 }),
  ) as [Redis, Redis]
  const slot = Number(await source.cluster('KEYSLOT', first))
  await target.cluster('SETSLOT', slot, 'IMPORTING', from.id)
  await source.cluster('SETSLOT', slot, 'MIGRATING', to.id)
  const move = async (key: string): Promise<unknown> =>
    source.migrate('127.0.0.1', to.server.port, key, 0, 1000)
  await move(first)
  return {
    refusals: async () =>
      Number(/errorstat_TRYAGAIN:count=(\d+)/.exec(await source.info('errorstats'))?.[1] ?? 0),
    finish: async () => {
      for (const key of await source.keys(`sentinel:{${BOT}}:*`)) await move(key)
      for (const client of [target, source]) await client.cluster('SETSLOT', slot, 'NODE', to.id)
      for (const client of [target, source]) client.disconnect()
    },
  }
}

test('while the slot of a bot is moved, calls soon fail with the reason, and afterwards its limits are still known', async () => {
  const cluster = await startCluster()
  const storage = redis(cluster.urls)
  try {
    const judge = await storage.prepare(planOf(bucket(1, 3_600_000)))
    expect((await judge.evaluate(askOf())).refusedBy).toBe(-1)
    const { finish } = await beginMoving(cluster, `sentinel:{${BOT}}:clock`)
    const watch = new Stopwatch()
    await expect((async () => judge.evaluate(askOf()))()).rejects.toMatchObject({
      code: 'storage.failed',
      message: expect.stringMatching(/^redis: TRYAGAIN/),
    })
    watch.stop()
    expect(watch.passed).toBeLessThan(1000)
    await finish()
    expect((await judge.evaluate(askOf())).refusedBy).toBe(0)
  } finally {
    await storage.close()
    await cluster.stop()
  }
})

test('calls that no update waits for succeed if the slot of a bot is only moved for a moment', async () => {
  const cluster = await startCluster()
  const storage = redis(cluster.urls)
  const put = async (id: number): Promise<void> =>
    storage.marks.put(BOT, 'blocked', [{ key: userKey(id), mark: { since: 1 } }])
  const clock = jest.spyOn(performance, 'now')
  try {
    for (const id of [1, 2]) await put(id)
    const { finish, refusals } = await beginMoving(cluster, `sentinel:{${BOT}}:h:blocked`)
    // The clock stands still, because calls are repeated for a second, and a slow machine takes longer to move a slot.
    clock.mockReturnValue(performance.now())
    const working = Promise.all([put(3), storage.marks.remove(BOT, 'blocked', [userKey(1)])])
    // The client itself repeats each call 16 times.
    await Promise.race([working, until('calls were refused often', async () => (await refusals()) > 40)])
    await finish()
    await working
    const { entries } = await storage.marks.scan(BOT, 'blocked')
    expect(entries.map(({ key }) => key)).toEqual([userKey(2), userKey(3)])
  } finally {
    clock.mockRestore()
    await storage.close()
    await cluster.stop()
  }
})

test('a cluster given by an address that its nodes do not announce is used again after all connections were cut', async () => {
  const cluster = await startCluster()
  // As a name of a service or a load balancer does, the proxy leads to a node and is unknown to the cluster.
  const proxy = await startProxy(cluster.nodes[0]?.server.port as number)
  const storage = redis([proxy.urlOf(cluster.url)])
  const admins = cluster.urls.map((url) => new Redis(url, { disconnectTimeout: 50 }))
  try {
    const judge = await storage.prepare(planOf(bucket(1000, 60_000)))
    for (let times = 0; times < 3; times++) {
      for (const admin of admins) await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      await until(
        'the storage decides again',
        async () => {
          try {
            // These bots are spread over all nodes.
            for (let bot = 1; bot <= 12; bot++) await judge.evaluate({ ...askOf(), bot })
            return true
          } catch {
            return false
          }
        },
        10_000,
      )
    }
  } finally {
    for (const admin of admins) admin.disconnect()
    await storage.close()
    await proxy.stop()
    await cluster.stop()
  }
})
