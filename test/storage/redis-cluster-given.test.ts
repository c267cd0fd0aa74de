import { Cluster } from 'ioredis'
import { redis } from '../../src/storage/redis/index.js'
import { freshName, sharedCluster } from '../servers/shared.js'
import { until } from '../servers/until.js'
import { ALICE, admits, askOf, blocked, planOf } from './redis-desk.js'

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
