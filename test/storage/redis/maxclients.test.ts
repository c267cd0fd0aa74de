import { Redis } from 'ioredis'
import type { SentinelError } from '../../../src/core/errors.js'
import { type RedisConnection, redis } from '../../../src/storage/redis/index.js'
import { reasonOf } from '../../../src/storage/resilient/reason.js'
import { startCluster } from '../../servers/cluster.js'
import { startRedis } from '../../servers/redis.js'
import { until } from '../../servers/until.js'
import { ALICE, BOT } from './desk.js'

/* A server that accepts connections and closes them at once, and whose words about it ioredis does not report. */

const HINT = /^redis: the server closes connections before they can be used.*maxclients.*TLS.*proxy/

/** Uses a storage. Returns the error, or undefined if there is none. */
async function failureOver(storage: ReturnType<typeof redis>): Promise<SentinelError | undefined> {
  try {
    await storage.marks.get(BOT, ALICE, 'x')
  } catch (error) {
    return error as SentinelError
  }
  return undefined
}

async function limit(urls: readonly string[]): Promise<{ set(clients: number): Promise<void>; end(): void }> {
  const admins = urls.map((url) => new Redis(url, { disconnectTimeout: 50 }))
  return {
    async set(clients) {
      for (const admin of admins) await admin.config('SET', 'maxclients', clients)
    },
    end() {
      for (const admin of admins) admin.disconnect()
    },
  }
}

const SERVERS: Record<
  string,
  () => Promise<{ urls: readonly string[]; connection: RedisConnection; stop(): Promise<void> }>
> = {
  'a server': async () => {
    const server = await startRedis()
    return { urls: [server.url], connection: server.url, stop: server.stop }
  },
  'a cluster': async () => {
    const { urls, stop } = await startCluster()
    return { urls, connection: urls, stop }
  },
}

test.each(Object.entries(SERVERS))(
  'if %s has as many clients as it accepts, each failure says so',
  async (_, start) => {
    const { urls, connection, stop } = await start()
    const clients = await limit(urls)
    await clients.set(1)
    const storage = redis(connection)
    try {
      for (let times = 0; times < 20; times++) {
        const failure = await failureOver(storage)
        expect(failure?.message).toMatch(HINT)
        expect(reasonOf(failure)).toBe('disconnected')
      }
      await clients.set(1000)
      await until('it is used', async () => (await failureOver(storage)) === undefined)
    } finally {
      clients.end()
      await storage.close()
      await stop()
    }
  },
)
