import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { failover } from '../../../src/storage/failover.js'
import { redis } from '../../../src/storage/redis/index.js'
import { desk, says } from '../../sentinel/desk.js'
import { startCluster } from '../../servers/cluster.js'
import { startProxy } from '../../servers/proxy.js'
import { startRedis } from '../../servers/redis.js'
import { Stopwatch } from '../../servers/stopwatch.js'
import { until } from '../../servers/until.js'
import { BOB, BOT } from '../outage.js'
import { asCounted, BLOCKED, clearStands, inTime, isBack, isDown, passes, stand, twice } from '../standing.js'

afterEach(clearStands)

test('after a crash and a restart under load: no exceptions, all answers in time, exact limits, blocks hold', async () => {
  const server = await startRedis({ appendOnly: true })
  const storage = redis(server.url)
  try {
    const standing = await stand(storage)
    const { judge, told } = standing
    await server.kill()
    await isDown(standing)
    expect(told.at(-1)).toMatchObject({
      kind: 'redis',
      reason: expect.stringMatching(/^(disconnected|E[A-Z]+)$/),
    })
    // In memory, ALICE has a burst of three.
    expect([...(await twice(judge)), ...(await twice(judge))]).toEqual([true, true, true, false])
    await server.restart()
    expect(await isBack(standing)).toBeLessThan(1000)
    // On the server, two of her three have been used.
    expect(await asCounted(standing, 2)).toEqual([true, false])
    expect(await passes(judge, BLOCKED)).toBe(false)
    await inTime(standing)
    await standing.storage.close()
  } finally {
    await server.stop()
  }
})

test('after a restart without data: at most one more burst, and a block made meanwhile is written', async () => {
  const server = await startRedis()
  const storage = redis(server.url)
  try {
    const standing = await stand(storage)
    const { judge } = standing
    await server.kill()
    await isDown(standing)
    await expect(
      (async () => standing.storage.marks.put(BOT, 'blocked', [{ key: BOB, mark: { since: Date.now() } }]))(),
    ).rejects.toMatchObject({ code: 'storage.unavailable' })
    expect(await passes(judge, BOB)).toBe(false)
    await server.restart()
    expect(await isBack(standing)).toBeLessThan(1000)
    expect(await asCounted(standing, 4)).toEqual([true, true, true, false])
    expect(await passes(judge, BOB)).toBe(false)
    const written = redis(server.url)
    expect(await written.marks.get(BOT, BOB, 'blocked')).toBeDefined()
    await written.close()
    await inTime(standing)
    await standing.storage.close()
  } finally {
    await server.stop()
  }
})

test('after the server has hung, it is used again within a second', async () => {
  const server = await startRedis()
  try {
    const standing = await stand(redis(server.url))
    server.suspend()
    await isDown(standing)
    expect(standing.told.at(-1)).toMatchObject({ reason: 'TIMEOUT' })
    await sleep(1000)
    server.resume()
    expect(await isBack(standing)).toBeLessThan(1000)
    expect(await asCounted(standing, 2)).toEqual([true, false])
    await inTime(standing)
    await standing.storage.close()
  } finally {
    server.resume()
    await server.stop()
  }
})

test('after the server has hung for longer than its connections live, it is used again within a second', async () => {
  const server = await startRedis()
  try {
    const standing = await stand(redis(server.url))
    server.suspend()
    await isDown(standing)
    await sleep(7000)
    server.resume()
    expect(await isBack(standing)).toBeLessThan(1000)
    expect(await passes(standing.judge, BLOCKED)).toBe(false)
    await inTime(standing)
    await standing.storage.close()
  } finally {
    server.resume()
    await server.stop()
  }
})

test('after a network that delays, drops, cuts and half-closes, the server is used again within a second', async () => {
  const server = await startRedis()
  const proxy = await startProxy(server.port)
  try {
    const standing = await stand(redis(proxy.urlOf(server.url)))
    const { judge, told } = standing
    const faults: [string, () => void][] = [
      ['delays', () => proxy.delay(400)],
      ['swallows', () => proxy.blackHole()],
      [
        'cuts',
        () => {
          proxy.refuse()
          proxy.cut()
        },
      ],
      [
        'closes by halves',
        () => {
          proxy.refuse()
          proxy.halfClose('client')
        },
      ],
    ]
    const took: Record<string, number> = {}
    for (const [what, fault] of faults) {
      told.length = 0
      fault()
      await isDown(standing)
      await sleep(300)
      await proxy.normal()
      took[what] = await isBack(standing)
    }
    for (const ms of Object.values(took)) expect(ms).toBeLessThan(1000)
    // The server has counted two, and nothing of what was admitted in memory.
    expect(await asCounted(standing, 2)).toEqual([true, false])
    expect(await passes(judge, BLOCKED)).toBe(false)
    await inTime(standing)
    await standing.storage.close()
  } finally {
    await proxy.stop()
    await server.stop()
  }
})

test('a server without free memory is down until it has room', async () => {
  const server = await startRedis()
  const admin = new Redis(server.url, { disconnectTimeout: 50 })
  try {
    const standing = await stand(redis(server.url))
    await admin.config('SET', 'maxmemory-policy', 'noeviction')
    await admin.config('SET', 'maxmemory', '1mb')
    await isDown(standing)
    expect(standing.told.at(-1)).toMatchObject({ reason: 'OOM' })
    await sleep(2000)
    // The server answers all the time, but does not count as recovered.
    expect(standing.told).toHaveLength(1)
    await admin.config('SET', 'maxmemory', '0')
    expect(await isBack(standing)).toBeLessThan(1000)
    expect(await asCounted(standing, 2)).toEqual([true, false])
    await inTime(standing)
    await standing.storage.close()
  } finally {
    admin.disconnect()
    await server.stop()
  }
})

test('a server that becomes a read-only replica is down until it is a master again', async () => {
  const [server, other] = await Promise.all([startRedis(), startRedis()])
  const admin = new Redis(server.url, { disconnectTimeout: 50 })
  try {
    const standing = await stand(redis(server.url))
    await admin.replicaof('127.0.0.1', other.port)
    await isDown(standing)
    await sleep(1000)
    expect(standing.told).toHaveLength(1)
    await admin.replicaof('NO', 'ONE')
    expect(await isBack(standing)).toBeLessThan(1000)
    expect(await passes(standing.judge)).toBe(true)
    await inTime(standing)
    await standing.storage.close()
  } finally {
    admin.disconnect()
    await Promise.all([server.stop(), other.stop()])
  }
})

test('when a node of a cluster is killed, blocks hold until and after its replica takes over', async () => {
  const cluster = await startCluster({ replicas: 1 })
  try {
    const standing = await stand(redis(cluster.urls))
    const owner = await cluster.ownerOf(`sentinel:{${BOT}}:clock`)
    await owner.server.kill()
    await sleep(300)
    expect(await passes(standing.judge, BLOCKED)).toBe(false)
    await cluster.whole()
    await until('it is used again', async () => (await standing.storage.health()).ok, 5000)
    expect(await passes(standing.judge, BLOCKED)).toBe(false)
    await inTime(standing)
    await standing.storage.close()
  } finally {
    await cluster.stop()
  }
})

test('with failover(), blocks can be made all the time, and the first storage is used again with them', async () => {
  const [first, second] = await Promise.all([startRedis({ appendOnly: true }), startRedis()])
  try {
    const standing = await stand(failover([redis(first.url), redis(second.url)]))
    const { judge, storage } = standing
    await first.kill()
    await isDown(standing)
    await until('the second is used', async () => {
      const { ok, inUse } = await storage.health()
      return ok && inUse === 1
    })
    // The second storage has no counts yet, but knows the blocks.
    expect(await asCounted(standing, 4)).toEqual([true, true, true, false])
    await storage.marks.put(BOT, 'blocked', [{ key: BOB, mark: { since: Date.now() } }])
    expect(await passes(judge, BOB)).toBe(false)
    await first.restart()
    const watch = new Stopwatch()
    await until('the first is used again', async () => (await storage.health()).inUse === 0, 5000)
    watch.stop()
    expect(watch.passed).toBeLessThan(1000)
    expect([await passes(judge, BOB), await passes(judge, BLOCKED)]).toEqual([false, false])
    expect(await asCounted(standing, 2)).toEqual([true, false])
    await second.kill()
    expect([await passes(judge, BOB), await passes(judge, BLOCKED)]).toEqual([false, false])
    await second.restart()
    await until('both are well', async () => {
      const { storages } = await storage.health()
      return storages?.every(({ ok }) => ok) === true
    })
    await inTime(standing)
    await storage.close()
  } finally {
    await Promise.all([first.stop(), second.stop()])
  }
})

test('in front of a bot, every update gets its verdict during an outage, and no error is reported', async () => {
  const server = await startRedis({ appendOnly: true })
  const storage = redis(server.url)
  const { guard, handle, reached } = desk({
    storage,
    throttle: '1000/1m',
    clock: undefined,
    timers: undefined,
  })
  const errors: unknown[] = []
  const told: string[] = []
  guard.on('error', ({ error }) => errors.push(error))
  guard.on('storage.down', () => told.push('down'))
  guard.on('storage.up', () => told.push('up'))
  try {
    await handle(says(7, 'before'))
    await guard.block(9)
    await until('its marks are known', async () => (await guard.health()).storage.circuit?.copy?.marks === 1)
    let running = true
    let updates = 1
    const worker = async (): Promise<void> => {
      while (running) {
        await handle(says(7, `${++updates}`))
        await handle(says(9, 'blocked'))
        await sleep(5)
      }
    }
    const workers = Promise.all([worker(), worker(), worker()])
    await sleep(100)
    await server.kill()
    await until('it is down', () => told.includes('down'))
    await sleep(200)
    await server.restart()
    await until('it is back', () => told.includes('up'))
    await sleep(200)
    running = false
    await workers
    expect(reached).toHaveLength(updates)
    expect(reached).not.toContain('blocked')
    expect(errors).toEqual([])
    expect(told).toEqual(['down', 'up'])
    expect(await guard.health()).toMatchObject({ ok: true, storage: { kind: 'redis' } })
    await guard.close()
  } finally {
    await storage.close()
    await server.stop()
  }
})

test('repeated outages do not accumulate connections, listeners or memory', async () => {
  const server = await startRedis()
  const proxy = await startProxy(server.port)
  const admin = new Redis(server.url, { disconnectTimeout: 50 })
  const client = new Redis(proxy.urlOf(server.url), {
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => 25,
    disconnectTimeout: 50,
  })
  client.on('error', () => undefined)
  await until('it is connected', () => client.status === 'ready')
  try {
    const standing = await stand(redis(client))
    const { storage, updates } = standing
    const connections = async (): Promise<number> =>
      String(await admin.client('LIST'))
        .trim()
        .split('\n').length
    const listeners = (): number =>
      client.eventNames().reduce((sum, name) => sum + client.listenerCount(name), 0)
    const cycle = async (): Promise<void> => {
      proxy.refuse()
      proxy.cut()
      await until('it is known to be down', async () => {
        // Cut repeatedly, because a connection that was just being opened survives the first cut.
        proxy.cut()
        // Checked by the state, because the event may have been emitted before the test listens for it.
        return (await storage.health()).circuit?.state !== 'closed'
      })
      await proxy.normal()
      await isBack(standing)
    }
    for (let i = 0; i < 3; i++) await cycle()
    await sleep(300)
    const before = { connections: await connections(), listeners: listeners(), heap: await heap() }
    for (let i = 0; i < 15; i++) await cycle()
    await sleep(300)
    const after = { connections: await connections(), listeners: listeners(), heap: await heap() }
    expect(after.connections).toBeLessThanOrEqual(before.connections + 1)
    expect(after.listeners).toBeLessThanOrEqual(before.listeners + 2)
    expect(after.heap - before.heap).toBeLessThan(8_000_000)
    expect((await storage.health()).circuit?.waiting).toEqual({ marks: 0, settlements: 0 })
    await updates.stop()
    expect(updates.errors).toEqual([])
    await storage.close()
    await client.quit()
    await until('its connections are gone', async () => (await connections()) === 1)
    await until('the proxy has none either', () => proxy.open === 0)
  } finally {
    if (client.status !== 'end') client.disconnect()
    admin.disconnect()
    await proxy.stop()
    await server.stop()
  }
})

async function heap(): Promise<number> {
  const { setFlagsFromString } = await import('node:v8')
  const { runInNewContext } = await import('node:vm')
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  for (let i = 0; i < 3; i++) {
    gc()
    await sleep(10)
  }
  return process.memoryUsage().heapUsed
}
