import { Redis } from 'ioredis'
import { failover } from '../../../src/storage/failover.js'
import { redis } from '../../../src/storage/redis/index.js'
import { type RedisServer, startRedis } from '../../servers/redis.js'
import { until } from '../../servers/until.js'
import { counting } from '../counting.js'

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
