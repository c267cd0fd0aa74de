import { jest } from '@jest/globals'
import { Cluster } from 'ioredis'
import { redis } from '../../../src/storage/redis/index.js'
import { type RedisCluster, startCluster } from '../../servers/cluster.js'
import { freshName, sharedCluster } from '../../servers/shared.js'
import { until } from '../../servers/until.js'
import { ALICE, admits, askOf, blocked, planOf } from './desk.js'

/* A cluster client of the application that keeps no calls until its nodes are connected (`enableOfflineQueue: false`). */

const WHEN = {
  'has not begun to connect': { lazyConnect: true, isReady: false },
  'is connecting': { lazyConnect: false, isReady: false },
  'is ready': { lazyConnect: false, isReady: true },
}

let url: string
beforeAll(async () => {
  url = await sharedCluster()
}, 30_000)

test.each(Object.entries(WHEN))('the first calls over one that %s reach all nodes', async (_, when) => {
  const { lazyConnect, isReady } = when
  for (let times = 0; times < 5; times++) {
    const cluster = new Cluster([url], { enableOfflineQueue: false, retryDelayOnFailover: 0, lazyConnect })
    const errors: unknown[] = []
    cluster.on('error', (error) => errors.push(error))
    const storage = redis(cluster, { prefix: freshName() })
    try {
      if (isReady) await until('it is ready', () => cluster.status === 'ready')
      const judge = await storage.prepare(planOf(blocked))
      // Bots are distributed over the nodes.
      const asks = Array.from({ length: 12 }, (_, bot) => admits(judge, { ...askOf(ALICE), bot: bot + 1 }))
      expect(await Promise.all(asks)).toEqual(asks.map(() => true))
    } finally {
      await storage.close()
      cluster.disconnect()
    }
    expect(errors).toEqual([])
  }
})

describe('while one node does not answer', () => {
  let servers: RedisCluster
  beforeAll(async () => {
    servers = await startCluster()
  }, 60_000)
  afterAll(async () => servers.stop())

  const clients = {
    'a given client': () =>
      new Cluster([servers.url], {
        enableOfflineQueue: false,
        retryDelayOnFailover: 0,
        // The check asks a node chosen at random, which may be the one that hangs.
        enableReadyCheck: false,
      }),
    'a client of our own': () => [servers.url],
  }

  test.each(Object.entries(clients))(
    'the first calls over %s are decided by the others',
    async (_, connect) => {
      servers.nodes[2]?.server.suspend()
      const connection = connect()
      if (connection instanceof Cluster) connection.on('error', () => undefined)
      const storage = redis(connection, { prefix: freshName() })
      try {
        // While a client of our own connects, ioredis asks a node chosen at random whether the cluster is ready: not the one that hangs.
        jest.spyOn(Math, 'random').mockReturnValue(0)
        const judge = await storage.prepare(planOf(blocked))
        jest.restoreAllMocks()
        const asks = Array.from({ length: 12 }, async (_, bot) =>
          admits(judge, { ...askOf(ALICE), bot: bot + 1 }),
        )
        const decided = await Promise.allSettled(asks)
        const admitted = decided.filter((each) => each.status === 'fulfilled' && each.value)
        expect(admitted.length).toBeGreaterThan(0)
        for (const each of decided) {
          if (each.status === 'rejected') expect(each.reason.message).toMatch(/^redis: (?!redis: )/)
        }
        expect(admitted.length).toBeLessThan(decided.length)
      } finally {
        jest.restoreAllMocks()
        servers.nodes[2]?.server.resume()
        await storage.close()
        if (connection instanceof Cluster) connection.disconnect()
      }
    },
  )
})
