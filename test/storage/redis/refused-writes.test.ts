import { Redis } from 'ioredis'
import { failover } from '../../../src/storage/failover.js'
import { makeResilient } from '../../../src/storage/protection/make-resilient.js'
import { redis } from '../../../src/storage/redis/index.js'
import { startCluster } from '../../servers/cluster.js'
import { type RedisServer, startRedis } from '../../servers/redis.js'
import { until } from '../../servers/until.js'
import { counting } from '../counting.js'
import { ALICE, askOf, bucket, planOf } from './desk.js'

/* A server that answers every read and refuses every write. Each update of the bot reads its session in between. */

const servers: RedisServer[] = []
const admins: Redis[] = []
async function serverAndAdmin(): Promise<[RedisServer, Redis]> {
  const server = await startRedis()
  const admin = new Redis(server.url, { disconnectTimeout: 50 })
  servers.push(server)
  admins.push(admin)
  return [server, admin]
}
afterEach(async () => {
  for (const admin of admins.splice(0)) admin.disconnect()
  for (const server of servers.splice(0)) await server.stop()
})

const FAULTS = [
  ['min-replicas-to-write', '1', 'NOREPLICAS'],
  ['maxmemory', '1mb', 'OOM'],
] as const

test.each(FAULTS)(
  'with sessions, a server that refuses to write (%s %s) is down after a few updates, and still answers reads',
  async (option, value, reason) => {
    const [server, admin] = await serverAndAdmin()
    const { guard, counts, told, stop } = counting(redis(server.url))
    try {
      expect(await counts()).toBe(1)
      expect(await counts()).toBe(2)
      await admin.config('SET', option, value)
      for (let updates = 0; updates < 5 && told.length === 0; updates++) {
        await expect(counts()).rejects.toMatchObject({ error: { code: 'storage.unavailable' } })
      }
      await until('it is known to be down', () => told.length > 0, 5000)
      expect(told).toEqual([`down ${reason}`])
      expect(await guard.health()).toMatchObject({
        ok: false,
        storage: { circuit: { state: 'open', reason } },
      })
      // Reading still works, so handlers get the session that was stored.
      expect(await guard.storage.sessions<object>().read('7')).toEqual({ n: 2 })
      expect(told).toHaveLength(1)
      await admin.config('SET', option, '0')
      await until('it is back', () => told.length > 1, 5000)
      expect(await counts()).toBe(3)
      expect(told).toEqual([`down ${reason}`, 'up'])
    } finally {
      await stop()
    }
  },
)

test.each(FAULTS)(
  'behind failover(), sessions move to the second server with the decisions (%s %s)',
  async (option, value, reason) => {
    const [first, admin] = await serverAndAdmin()
    const [second] = await serverAndAdmin()
    const { guard, counts, stop } = counting(failover([redis(first.url), redis(second.url)]))
    try {
      expect(await counts()).toBe(1)
      expect(await counts()).toBe(2)
      await admin.config('SET', option, value)
      await until('the second server is in use', async () => {
        await counts()
        const { storage } = await guard.health()
        return storage.inUse === 1
      })
      expect((await guard.health()).storage.storages?.[0]).toMatchObject({ ok: false, circuit: { reason } })
      const from = await counts()
      expect([await counts(), await counts(), await counts()]).toEqual([from + 1, from + 2, from + 3])
    } finally {
      await stop()
    }
  },
)

test('one node of a cluster that refuses to write leaves the others in use; if all refuse, the cluster is down', async () => {
  const cluster = await startCluster()
  const storage = makeResilient(redis(cluster.urls), {})
  const told: string[] = []
  storage.observe((condition) => told.push(condition.is))
  const nodes = cluster.nodes.map(({ server }) => new Redis(server.url, { disconnectTimeout: 50 }))
  admins.push(...nodes)
  const refuses = (node: Redis, on: boolean) => node.config('SET', 'min-replicas-to-write', on ? '1' : '0')
  const isPut = async (n: number): Promise<boolean> =>
    (async () => storage.values.put('sessions', `${n}`, n))().then(
      () => true,
      () => false,
    )
  try {
    const judge = await storage.prepare(planOf(bucket(100_000, 3_600_000)))
    for (const [index, node] of nodes.entries()) {
      let bot = 1
      while ((await cluster.ownerOf(`sentinel:{${bot}}:r`)) === cluster.nodes[index]) bot++
      await refuses(node, true)
      const put = new Set<boolean>()
      for (let n = 0; n < 30; n++) {
        put.add(await isPut(n))
        expect((await judge.evaluate({ ...askOf(ALICE), bot })).alone).toBeUndefined()
      }
      expect([...put].sort()).toEqual([false, true])
      expect(told).toEqual([])
      await refuses(node, false)
    }
    for (const node of nodes) await refuses(node, true)
    expect(await isPut(0)).toBe(false)
    await until('the cluster is known to be down', () => told.length > 0, 5000)
    for (const node of nodes.slice(1)) await refuses(node, false)
    await until('it is back with two of three nodes', () => told.length > 1, 5000)
    expect(told).toEqual(['down', 'up'])
  } finally {
    await storage.close()
    await cluster.stop()
  }
}, 60_000)
