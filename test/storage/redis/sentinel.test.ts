import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import type { StorageChange } from '../../../src/storage/contract/changes.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { OURS } from '../../../src/storage/redis/clients.js'
import { redis } from '../../../src/storage/redis/index.js'
import { guard } from '../../servers/guardian.js'
import { needRedis } from '../../servers/install.js'
import { freePort } from '../../servers/ports.js'
import { startProxy } from '../../servers/proxy.js'
import { type RedisServer, startRedis } from '../../servers/redis.js'
import { ServerProcess } from '../../servers/server-process.js'
import { Stopwatch } from '../../servers/stopwatch.js'
import { until } from '../../servers/until.js'
import { ALICE, admits, askOf, BOB, BOT, blocked, bucket, planOf } from './desk.js'

const HOUR = 3_600_000
const NAME = 'mymaster'

interface Sentinel {
  readonly port: number
  stop(): Promise<void>
}

/**
 * A single Redis Sentinel, which is enough to decide that a master is down. It waits a minute for an answer, so that a machine that
 * stalls does not cause a failover. A second or less must not be configured from the start: the first ping is sent only when that
 * time has passed, and at that moment the master already counts as down.
 */
async function startSentinel(master: RedisServer): Promise<Sentinel> {
  const port = await freePort()
  const dir = mkdtempSync(join(tmpdir(), 'sentinel-sentinel-'))
  const config = join(dir, 'sentinel.conf')
  const lines = [
    'bind 127.0.0.1',
    `port ${port}`,
    `dir "${dir}"`,
    `sentinel monitor ${NAME} 127.0.0.1 ${master.port} 1`,
    `sentinel down-after-milliseconds ${NAME} 60000`,
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
  const admin = new Redis(port, '127.0.0.1', { disconnectTimeout: 50, retryStrategy: () => 10 })
  admin.on('error', () => undefined)
  await server.ready(async () => (await admin.ping()) === 'PONG')
  admin.disconnect()
  return {
    port,
    stop: async () => {
      await guardian.end()
      await server.gone()
    },
  }
}

test('if no Redis Sentinel answers, that is reported at once, by every call', async () => {
  const storage = redis({ sentinels: [{ host: '127.0.0.1', port: await freePort() }], name: NAME })
  for (let times = 0; times < 3; times++) {
    const watch = new Stopwatch()
    await expect((async () => storage.prepare(planOf(blocked)))()).rejects.toMatchObject({
      code: 'storage.failed',
      message: expect.stringMatching(/^redis: All sentinels are unreachable/),
    })
    watch.stop()
    expect(watch.passed).toBeLessThan(1000)
  }
  await storage.close()
})

/** A storage behind these Sentinels, on loopback. */
const behind = (...ports: readonly number[]): Storage =>
  redis({ sentinels: ports.map((port) => ({ host: '127.0.0.1', port })), name: NAME })

describe('behind a Redis Sentinel', () => {
  let master: RedisServer
  let replica: RedisServer
  let sentinel: Sentinel
  let storage: Storage
  beforeAll(async () => {
    master = await startRedis()
    ;[replica, sentinel] = await Promise.all([startRedis({ replicaOf: master.port }), startSentinel(master)])
  }, 30_000)
  afterAll(() => Promise.all([sentinel.stop(), replica.stop(), master.stop()]))
  afterEach(() => storage.close())

  test('it says why it cannot connect, if the server named by it has just become a replica', async () => {
    storage = behind(sentinel.port)
    const admin = new Redis(master.url, { disconnectTimeout: 50 })
    try {
      await admin.replicaof('127.0.0.1', replica.port)
      await expect((async () => storage.prepare(planOf(blocked)))()).rejects.toMatchObject({
        message: expect.stringMatching(/is still a replica/),
      })
    } finally {
      await admin.replicaof('NO', 'ONE')
      admin.disconnect()
    }
  })

  test('it tells listeners when their connection is lost and no Sentinel answers', async () => {
    const proxy = await startProxy(sentinel.port)
    storage = behind(proxy.port)
    const told: StorageChange[] = []
    await storage.watch((change) => told.push(change))
    const admin = new Redis(master.url, { disconnectTimeout: 50 })
    try {
      proxy.blackHole()
      proxy.cut()
      await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      await until('the loss is told', () => told.length > 0, 10_000)
      expect(told).toEqual([
        {
          kind: 'gap',
          lost: expect.objectContaining({ message: expect.stringMatching(/All sentinels are unreachable/) }),
        },
      ])
      // All else is served on the connection that is open already.
      expect(await storage.marks.get(BOT, ALICE, 'blocked')).toBeUndefined()
      await proxy.normal()
      await until('it is back', () => told.length > 1, 10_000)
      expect(told.slice(1)).toEqual([{ kind: 'gap' }])
    } finally {
      admin.disconnect()
      await proxy.stop()
    }
  })

  test('it asks the next one if one accepts the connection and does not answer', async () => {
    const proxy = await startProxy(sentinel.port)
    proxy.blackHole()
    storage = redis({
      sentinels: [proxy, sentinel].map(({ port }) => ({ host: '127.0.0.1', port })),
      name: NAME,
      sentinelCommandTimeout: 100,
    })
    try {
      await storage.prepare(planOf(blocked))
      // The default is a limit, too.
      expect(OURS.sentinelCommandTimeout).toBe(1000)
    } finally {
      await storage.close()
      await proxy.stop()
    }
  })
})

test('behind a Redis Sentinel it leaves a master that stood still and was superseded, and goes on at the next one', async () => {
  const master = await startRedis()
  const replica = await startRedis({ replicaOf: master.port })
  const sentinel = await startSentinel(master)
  const storage = behind(sentinel.port)
  const former = redis(master.url)
  const later = redis(replica.url)
  const admin = new Redis(sentinel.port, '127.0.0.1', { disconnectTimeout: 50 })
  const reports = admin.duplicate()
  try {
    await until('the Sentinel knows the replica', async () => {
      const replicas = (await admin.call('SENTINEL', 'REPLICAS', NAME)) as unknown[]
      return replicas.length === 1
    })
    const told: string[] = []
    await storage.watch((change) => told.push(change.kind === 'gap' && change.lost ? 'lost' : change.kind))
    const judge = await storage.prepare(planOf(blocked, bucket(2, HOUR)))
    await storage.marks.put(BOT, 'blocked', [{ key: BOB, mark: { since: 1 } }])
    expect(await admits(judge, askOf(ALICE))).toBe(true)
    const direct = new Redis(master.url, { disconnectTimeout: 50 })
    expect(await direct.wait(1, 1000)).toBe(1)
    direct.disconnect()
    await until('it listens to the Sentinel', async () =>
      String(await admin.call('CLIENT', 'LIST', 'TYPE', 'pubsub')).includes(' sub=1 '),
    )
    await reports.subscribe('+switch-master')
    await admin.call('SENTINEL', 'SET', NAME, 'down-after-milliseconds', '500')
    const switched = new Promise((resolve) => reports.once('message', resolve))
    master.suspend()
    await switched
    // By now the Sentinel has told the storage, too.
    await admin.ping()
    master.resume()
    await until(
      'it decides again',
      async () => {
        try {
          return !(await admits(judge, askOf(BOB)))
        } catch {
          return false
        }
      },
      10_000,
    )
    expect(await admits(judge, askOf(ALICE))).toBe(true)
    expect(await admits(judge, askOf(ALICE))).toBe(false)
    await storage.marks.put(BOT, 'blocked', [{ key: ALICE, mark: { since: 1 } }])
    expect(await later.marks.get(BOT, ALICE, 'blocked')).toEqual({ since: 1 })
    // The former master still accepts writes, until it is made a replica.
    await former.marks.put(BOT, 'blocked', [{ key: ALICE, mark: { since: 2 } }])
    await master.kill()
    told.length = 0
    await until(
      'it watches the next master',
      async () => {
        await storage.marks.put(BOT, 'blocked', [{ key: BOB, mark: { since: 2 } }])
        return told.includes('marks')
      },
      10_000,
    )
  } finally {
    master.resume()
    admin.disconnect()
    reports.disconnect()
    await Promise.all([storage, former, later].map((each) => each.close()))
    await Promise.all([sentinel.stop(), replica.stop(), master.stop()])
  }
})
