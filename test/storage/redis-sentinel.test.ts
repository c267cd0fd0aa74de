import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { redis } from '../../src/storage/redis/index.js'
import { guard } from '../servers/guardian.js'
import { needRedis } from '../servers/install.js'
import { freePort } from '../servers/ports.js'
import { type RedisServer, startRedis } from '../servers/redis.js'
import { ServerProcess } from '../servers/server-process.js'
import { until } from '../servers/until.js'
import { ALICE, admits, askOf, BOB, BOT, blocked, bucket, planOf } from './redis-desk.js'

const HOUR = 3_600_000
const NAME = 'mymaster'

/** A single Redis Sentinel, which is enough to decide that a master is down. */
async function startSentinel(master: RedisServer): Promise<{ port: number; stop(): Promise<void> }> {
  const port = await freePort()
  const dir = mkdtempSync(join(tmpdir(), 'sentinel-sentinel-'))
  const config = join(dir, 'sentinel.conf')
  const lines = [
    'bind 127.0.0.1',
    `port ${port}`,
    `dir "${dir}"`,
    `sentinel monitor ${NAME} 127.0.0.1 ${master.port} 1`,
    `sentinel down-after-milliseconds ${NAME} 500`,
    `sentinel failover-timeout ${NAME} 3000`,
  ]
  writeFileSync(config, `${lines.join('\n')}\n`)
  const guardian = guard(dir)
  const server = await ServerProcess.start({
    program: await needRedis(),
    args: [config, '--sentinel'],
    log: join(dir, 'sentinel.log'),
    cwd: dir,
    guardian,
    ending: 'KILL',
  })
  return {
    port,
    stop: async () => {
      await guardian.end()
      await server.gone()
    },
  }
}

test('behind a Redis Sentinel it finds the master, and the next one when that dies', async () => {
  const master = await startRedis()
  const replica = await startRedis({ replicaOf: master.port })
  const sentinel = await startSentinel(master)
  const storage = redis({ sentinels: [{ host: '127.0.0.1', port: sentinel.port }], name: NAME })
  const admin = new Redis(sentinel.port, '127.0.0.1', { disconnectTimeout: 50 })
  try {
    await until('the Sentinel knows the replica', async () => {
      const replicas = (await admin.call('SENTINEL', 'REPLICAS', NAME)) as unknown[]
      return replicas.length === 1
    })
    const told: string[] = []
    await storage.watch(({ kind }) => told.push(kind))
    const judge = await storage.prepare(planOf(blocked, bucket(2, HOUR)))
    await storage.marks.put(BOT, 'blocked', [{ key: BOB, mark: { since: 1 } }])
    expect(await admits(judge, askOf(ALICE))).toBe(true)
    const direct = new Redis(master.url, { disconnectTimeout: 50 })
    expect(await direct.wait(1, 1000)).toBe(1)
    direct.disconnect()
    await master.kill()
    const began = performance.now()
    await until(
      'it decides again',
      async () => {
        try {
          return !(await admits(judge, askOf(BOB)))
        } catch {
          return false
        }
      },
      30_000,
    )
    // Half a second until the master counts as down, then the election: the storage's own part is much shorter.
    expect(performance.now() - began).toBeLessThan(20_000)
    expect(await admits(judge, askOf(ALICE))).toBe(true)
    expect(await admits(judge, askOf(ALICE))).toBe(false)
    await until('it watches again', () => told.includes('gap'))
    told.length = 0
    await storage.marks.remove(BOT, 'blocked', [BOB])
    await until('changes are told', () => told.includes('marks'))
  } finally {
    admin.disconnect()
    await storage.close()
    await Promise.all([sentinel.stop(), replica.stop(), master.stop()])
  }
})

test('if no Redis Sentinel answers, that is reported at once, by every call', async () => {
  const storage = redis({ sentinels: [{ host: '127.0.0.1', port: await freePort() }], name: NAME })
  for (let times = 0; times < 3; times++) {
    const began = performance.now()
    await expect((async () => storage.prepare(planOf(blocked)))()).rejects.toMatchObject({
      code: 'storage.failed',
      message: expect.stringMatching(/^redis: All sentinels are unreachable/),
    })
    expect(performance.now() - began).toBeLessThan(1000)
  }
  await storage.close()
})
