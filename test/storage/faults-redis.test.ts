import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { failover } from '../../src/storage/failover.js'
import { redis } from '../../src/storage/redis/index.js'
import { desk, says } from '../sentinel-desk.js'
import { startCluster } from '../servers/cluster.js'
import { startProxy } from '../servers/proxy.js'
import { startRedis } from '../servers/redis.js'
import { until } from '../servers/until.js'
import { BOB, BOT } from './outage.js'
import { asCounted, BLOCKED, clearStands, inTime, isBack, isDown, passes, stand, twice } from './standing.js'

afterEach(clearStands)

test('killed under load, and started again: nothing is thrown, all is in time, limits are exact, blocks hold', async () => {
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
    // In memory she has three.
    expect([...(await twice(judge)), ...(await twice(judge))]).toEqual([true, true, true, false])
    await server.restart()
    expect(await isBack(standing)).toBeLessThan(1000)
    // The server has counted two.
    expect(await asCounted(standing, 2)).toEqual([true, false])
    expect(await passes(judge, BLOCKED)).toBe(false)
    await inTime(standing)
    await standing.storage.close()
  } finally {
    await server.stop()
  }
})

test('killed, and started again with nothing: one more burst at most, and what was blocked meanwhile is', async () => {
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

test('stopped, so that it hangs, and let go on', async () => {
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

test('stopped for longer than its connections live', async () => {
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

test('behind a network that delays, swallows, cuts and closes by halves', async () => {
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
    // The server has counted two, and none of what memory let pass.
    expect(await asCounted(standing, 2)).toEqual([true, false])
    expect(await passes(judge, BLOCKED)).toBe(false)
    await inTime(standing)
    await standing.storage.close()
  } finally {
    await proxy.stop()
    await server.stop()
  }
})

test('its memory full, it says so, and is down until there is room', async () => {
  const server = await startRedis()
  const admin = new Redis(server.url, { disconnectTimeout: 50 })
  try {
    const standing = await stand(redis(server.url))
    await admin.config('SET', 'maxmemory-policy', 'noeviction')
    await admin.config('SET', 'maxmemory', '1mb')
    await isDown(standing)
    expect(standing.told.at(-1)).toMatchObject({ reason: 'OOM' })
    await sleep(2000)
    // It answers all the while, and is not taken for well.
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

test('made a replica that only reads, it is down until it is a master again', async () => {
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

test('a node of a cluster killed: the same, until its replica stands in', async () => {
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

test('with another one to fail over to: blocks can be made all the while, and the first is used again with them', async () => {
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
    // The second has counted nothing yet, and knows who is blocked.
    expect(await asCounted(standing, 4)).toEqual([true, true, true, false])
    await storage.marks.put(BOT, 'blocked', [{ key: BOB, mark: { since: Date.now() } }])
    expect(await passes(judge, BOB)).toBe(false)
    await first.restart()
    const began = performance.now()
    await until('the first is used again', async () => (await storage.health()).inUse === 0, 5000)
    expect(performance.now() - began).toBeLessThan(1000)
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

test('in front of a bot: every update gets its verdict, and nothing reaches the bot', async () => {
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

test('lost and found again and again, nothing piles up: no connections, no listeners, no memory', async () => {
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
        // Again and again: a connection that was just being made outlives the first cut.
        proxy.cut()
        // By its state, since it may have been down for a moment before the first event is looked for.
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
