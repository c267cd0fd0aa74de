import { once } from 'node:events'
import { jest } from '@jest/globals'
import { Cluster, Redis } from 'ioredis'
import type { Judge } from '../../../src/core/check.js'
import { type RedisConnection, redis } from '../../../src/storage/redis/index.js'
import { type ClusterNode, type RedisCluster, startCluster } from '../../servers/cluster.js'
import { freshName } from '../../servers/shared.js'
import { until } from '../../servers/until.js'
import { ALICE, admits, askOf, bucket, planOf } from './desk.js'

/* A cluster to one of whose nodes the connection is lost, while no call needs it. */

const PLAN = planOf(bucket(1000, 3_600_000))
/** These bots are spread over all nodes. */
const BOTS = Array.from({ length: 12 }, (_, index) => index + 1)

let cluster: RedisCluster
let node: ClusterNode
let admin: Redis
beforeAll(async () => {
  cluster = await startCluster()
  node = cluster.nodes[1] as ClusterNode
  admin = new Redis(node.server.url, { connectionName: 'admin', disconnectTimeout: 50 })
  admin.on('error', () => undefined)
}, 60_000)
afterEach(() => jest.restoreAllMocks())
afterAll(async () => {
  admin.disconnect()
  await cluster.stop()
})

/** The connections on which the node receives calls and is ready for them. Those of ioredis for other purposes have names. */
async function connections(): Promise<string[]> {
  const list = String(await admin.client('LIST')).split('\n')
  return list
    .filter((line) => / name= .* cmd=(info|eval|evalsha) /.test(line))
    .map((line) => line.split(' ', 1)[0] as string)
}

async function everywhere(judge: Judge): Promise<boolean[]> {
  return Promise.all(BOTS.map((bot) => admits(judge, { ...askOf(ALICE), bot })))
}

async function restart(): Promise<void> {
  if (node.server.running) return
  await node.server.restart()
  await cluster.whole()
}

const ALL = BOTS.map(() => true)
const CLIENTS: Record<string, () => RedisConnection> = {
  'a client of our own': () => cluster.urls,
  'a given client that keeps no calls': () =>
    new Cluster([cluster.url], { enableOfflineQueue: false, retryDelayOnFailover: 0 }),
}

describe.each(Object.entries(CLIENTS))('over %s', (_, connect) => {
  test.each([
    ['was cut', async () => admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')],
    ['the server closed because it was idle', async () => admin.config('SET', 'timeout', 1)],
  ])('a connection to a node that %s is made again before a call needs it', async (_, lose) => {
    const connection = connect()
    const storage = redis(connection, { prefix: freshName() })
    try {
      const judge = await storage.prepare(PLAN)
      expect(await everywhere(judge)).toEqual(ALL)
      const before = await connections()
      expect(before).toHaveLength(1)
      await lose()
      await until('it is lost', async () => !(await connections()).includes(before[0] as string))
      await admin.config('SET', 'timeout', 0)
      await until('it is made again', async () => (await connections()).length === 1, 5000)
      // The client has received the answer that makes it ready before this one.
      await admin.ping()
      expect(await everywhere(judge)).toEqual(ALL)
    } finally {
      await admin.config('SET', 'timeout', 0)
      await storage.close()
      if (connection instanceof Cluster) connection.disconnect()
    }
    if (connection instanceof Cluster) expect(connection.listenerCount('-node')).toBe(0)
  })
})

test('a node that is gone is tried after growing pauses and used again once it is back', async () => {
  const storage = redis(cluster.urls, { prefix: freshName() })
  try {
    const judge = await storage.prepare(PLAN)
    expect(await everywhere(judge)).toEqual(ALL)
    const asked = jest.spyOn(Cluster.prototype, 'refreshSlotsCache')
    const began = performance.now()
    await node.server.kill()
    await until('it was tried often', () => asked.mock.calls.length >= 6)
    // 25 + 50 + 100 + 200 + 400 ms.
    expect(performance.now() - began).toBeGreaterThan(750)
    await restart()
    await until('it is connected again', async () => (await connections()).length === 1, 5000)
    await admin.ping()
    expect(await everywhere(judge)).toEqual(ALL)
  } finally {
    await restart()
    await storage.close()
  }
})

test('a given client that keeps calls connects to a lost node with the first call for it', async () => {
  const client = new Cluster([cluster.url], { retryDelayOnFailover: 0 })
  const storage = redis(client, { prefix: freshName() })
  try {
    const judge = await storage.prepare(PLAN)
    expect(await everywhere(judge)).toEqual(ALL)
    const lost = once(client, '-node')
    await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await lost
    expect(await everywhere(judge)).toEqual(ALL)
  } finally {
    await storage.close()
    client.disconnect()
  }
})

test('what is read from all nodes does not omit the keys of a lost one', async () => {
  const client = new Cluster([cluster.url], { retryDelayOnFailover: 0 })
  const storage = redis(client, { prefix: freshName() })
  const known = async (): Promise<unknown> => (await storage.archive?.contents())?.bots.map(({ id }) => id)
  try {
    for (const bot of BOTS) await storage.marks.put(bot, 'blocked', [{ key: ALICE, mark: { since: 1 } }])
    expect(await known()).toEqual(BOTS)
    const lost = once(client, '-node')
    await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await lost
    expect(client.nodes('master')).toHaveLength(cluster.nodes.length - 1)
    expect(await known()).toEqual(BOTS)
  } finally {
    await storage.close()
    client.disconnect()
  }
})

test('a storage that was closed no longer tries to connect to a lost node', async () => {
  const given = new Cluster([cluster.url], { enableOfflineQueue: false, retryDelayOnFailover: 0 })
  const other = new Cluster([cluster.url], { enableOfflineQueue: false, retryDelayOnFailover: 0 })
  const [storage, open] = [given, other].map((client) => redis(client, { prefix: freshName() }))
  try {
    for (const each of [storage, open])
      expect(await everywhere((await each?.prepare(PLAN)) as Judge)).toEqual(ALL)
    const asked = jest.spyOn(Cluster.prototype, 'refreshSlotsCache')
    const tries = (client: Cluster): number => asked.mock.contexts.filter((each) => each === client).length
    await node.server.kill()
    await until('both try', () => tries(given) > 1 && tries(other) > 1)
    await storage?.close()
    const before = tries(given)
    const more = tries(other) + 3
    await until('the open one tries on', () => tries(other) >= more)
    expect(tries(given)).toBe(before)
  } finally {
    await restart()
    await open?.close()
    await storage?.close()
    given.disconnect()
    other.disconnect()
  }
})
