import { Cluster, Redis } from 'ioredis'
import { redis } from '../../../src/storage/redis/index.js'
import { type ClusterNode, type RedisCluster, startCluster } from '../../servers/cluster.js'
import { freshName } from '../../servers/shared.js'
import { until } from '../../servers/until.js'
import { ALICE } from './desk.js'

/* A node of a cluster that is gone for good: what is read from all nodes must not wait for it for ever. */

/** These bots are spread over all nodes. */
const BOTS = Array.from({ length: 12 }, (_, index) => index + 1)

let cluster: RedisCluster
let gone: ClusterNode
beforeEach(async () => {
  cluster = await startCluster({ args: ['--cluster-require-full-coverage', 'no'] })
  gone = cluster.nodes[2] as ClusterNode
}, 60_000)
afterEach(() => cluster.stop())

/** Makes the remaining nodes forget the one that is gone. Its slots are served by no node then. */
async function forget(): Promise<void> {
  for (const { server } of cluster.nodes.slice(0, 2)) {
    const admin = new Redis(server.url, { disconnectTimeout: 50 })
    await admin.call('CLUSTER', 'FORGET', gone.id)
    admin.disconnect()
  }
}

test.each(['our own', 'a given'])(
  'with %s client, a node that was removed with its slots is skipped',
  async (which) => {
    const given = new Cluster([cluster.url], { retryDelayOnFailover: 0, lazyConnect: true })
    const storage = redis(which === 'a given' ? given : cluster.urls, { prefix: freshName() })
    const known = async (): Promise<number[]> =>
      ((await storage.archive?.contents())?.bots ?? []).map(({ id }) => id)
    try {
      for (const bot of BOTS) await storage.marks.put(bot, 'blocked', [{ key: ALICE, mark: { since: 1 } }])
      expect(await known()).toEqual(BOTS)
      await gone.server.kill()
      // The cluster still counts it as a node, so its keys are not missing.
      await until('its connection is lost', () =>
        known().then(
          () => false,
          () => true,
        ),
      )
      for (const time of ['first', 'second']) {
        expect([time, await known().catch(({ message }) => message)]).toEqual([
          time,
          expect.stringContaining(`127.0.0.1:${gone.server.port}`),
        ])
      }
      await forget()
      let left: number[] = []
      // The client may still have the former map, and reads the new one after a refusal.
      await until('it is skipped', async () => {
        left = await known().catch(() => [])
        return left.length > 0
      })
      expect(left.length).toBeLessThan(BOTS.length)
      for (const bot of left) expect(await storage.archive?.marksOf(bot, [ALICE])).toHaveLength(1)
    } finally {
      await storage.close()
      given.disconnect()
    }
  },
  60_000,
)
