import { jest } from '@jest/globals'
import { Redis } from 'ioredis'
import type { SentinelError } from '../../../src/core/errors.js'
import { userKey } from '../../../src/core/subject.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { type RedisConnection, redis } from '../../../src/storage/redis/index.js'
import { type ClusterNode, startCluster } from '../../servers/cluster.js'
import { type NetworkProxy, startProxy } from '../../servers/proxy.js'
import { type RedisServer, startRedis } from '../../servers/redis.js'
import { freshName, sharedRedis } from '../../servers/shared.js'
import { until } from '../../servers/until.js'
import { ALICE, BOT } from './desk.js'

const SECOND = 1000
/** All timers but those of the heartbeat. */
const OTHER_TIMERS = [
  'Date',
  'hrtime',
  'nextTick',
  'performance',
  'queueMicrotask',
  'setImmediate',
  'clearImmediate',
  'setTimeout',
  'clearTimeout',
] as const

async function within(ms: number, what: string, holds: () => boolean): Promise<void> {
  await until(what, holds, ms)
}

async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work()
    return 'done'
  } catch (error) {
    return (error as SentinelError).code
  }
}

const touch = async (storage: Storage, bot = BOT): Promise<void> =>
  storage.marks.put(bot, 'blocked', [{ key: ALICE, mark: { since: 1 } }])

describe('changes by other processes', () => {
  let server: RedisServer
  let admin: Redis
  let proxy: NetworkProxy
  let near: Storage
  let far: Storage
  let told: string[]
  beforeAll(async () => {
    server = await startRedis()
    admin = new Redis(server.url, { disconnectTimeout: 50 })
  })
  afterAll(async () => {
    admin.disconnect()
    await server.stop()
  })
  beforeEach(async () => {
    proxy = await startProxy(server.port)
    near = redis(proxy.urlOf(server.url))
    far = redis(server.url)
    told = []
    await near.watch(({ kind }) => told.push(kind))
  })
  afterEach(async () => {
    await near.close()
    await far.close()
    await proxy.stop()
    await until('nobody is connected', async () => (await connections()) === 1)
  })

  const connections = async (): Promise<number> =>
    String(await admin.client('LIST'))
      .trim()
      .split('\n').length
  const subscribers = async (): Promise<unknown> => (await admin.pubsub('NUMSUB', 'sentinel:changes'))[1]

  test('arrive within a second', async () => {
    await touch(far)
    await within(SECOND, 'it is told', () => told.length === 1)
    await far.reset(BOT, ALICE)
    await within(SECOND, 'it is told', () => told.length === 2)
    expect(told).toEqual(['marks', 'reset'])
  })

  test('of thousands of subjects at once are reported for each', async () => {
    const keys = Array.from({ length: 2500 }, (_, nth) => userKey(nth + 1))
    const heard = new Set<unknown>()
    await near.watch((change) => {
      if (change.kind === 'marks') for (const key of change.keys) heard.add(key)
    })
    await far.marks.put(
      BOT,
      'blocked',
      keys.map((key) => ({ key, mark: { since: 1 } })),
    )
    await within(SECOND, 'all are told', () => heard.size === keys.length)
  })

  test('that cannot be read are reported as a gap', async () => {
    for (const message of ['', 'null', '{}', '["later","kind"]', '["marks",1,"x",5]']) {
      await admin.publish('sentinel:changes', message)
    }
    await within(SECOND, 'all are told', () => told.length === 5)
    expect(told).toEqual(Array(5).fill('gap'))
  })

  test('survive a cut connection: it is back within a second, and reports that changes may have been missed', async () => {
    for (let times = 1; times <= 3; times++) {
      told.length = 0
      await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      await within(SECOND, 'the gap is told', () => told.length === 1)
      expect(told).toEqual(['gap'])
      await touch(far)
      await within(SECOND, 'it is told', () => told.length === 2)
      expect(await subscribers()).toBe(1)
    }
  })

  test('are received again from a server that was down for a while', async () => {
    proxy.refuse()
    proxy.cut()
    await until('nobody listens', async () => (await subscribers()) === 0)
    // A call to watch() meanwhile fails, without any other effect.
    let code = ''
    await until('it is known that the server is away', async () => {
      code = await codeOf(() => near.watch(() => undefined))
      return code !== 'done'
    })
    expect(code).toBe('storage.failed')
    await proxy.normal()
    await within(SECOND, 'the gap is told', () => told.includes('gap'))
    await touch(far)
    await within(SECOND, 'it is told', () => told.includes('marks'))
    expect(await subscribers()).toBe(1)
  })

  test('survive a connection that went silent, which is noticed and replaced', async () => {
    const { accepted } = proxy
    proxy.blackHole()
    await touch(far)
    await until('it is given up, and tried anew', () => proxy.accepted > accepted, 4 * SECOND)
    expect(told).toEqual([])
    await proxy.normal()
    // Data held back may still arrive on the replaced connection, where nobody listens.
    await within(4 * SECOND, 'the gap is told', () => told.includes('gap'))
    told.length = 0
    await far.reset(BOT, ALICE)
    await within(SECOND, 'it is told', () => told.includes('reset'))
    expect(told).toEqual(['reset'])
  })

  test('are not reported to a stopped watcher; when all have stopped, the connection is closed', async () => {
    const heard: string[] = []
    const stop = await near.watch(({ kind }) => heard.push(kind))
    stop()
    await touch(far)
    await within(SECOND, 'the other is told', () => told.length === 1)
    expect(heard).toEqual([])
    expect(await subscribers()).toBe(1)
    const alone = redis(server.url)
    const stops = [await alone.watch(() => undefined), await alone.watch(() => undefined)]
    expect(await subscribers()).toBe(2)
    stops[0]?.()
    expect(await subscribers()).toBe(2)
    stops[1]?.()
    await until('it has stopped listening', async () => (await subscribers()) === 1)
    // And it can start again.
    await alone.watch(() => undefined)
    expect(await subscribers()).toBe(2)
    await alone.close()
  })

  test('leave no connection behind if the watch is stopped or closed while connecting', async () => {
    for (let times = 0; times < 20; times++) {
      const one = redis(server.url)
      const watching = codeOf(() => one.watch(() => undefined))
      for (let turn = 0; turn < times; turn++) await new Promise(setImmediate)
      await one.close()
      expect(['done', 'storage.closed']).toContain(await watching)
    }
    await until('only ours listens', async () => (await subscribers()) === 1)
  })
})

test('on a cluster, a killed node is replaced by another to listen to', async () => {
  const cluster = await startCluster({ replicas: 1 })
  const [near, far] = [redis(cluster.urls), redis(cluster.urls)]
  try {
    const told: string[] = []
    await near.watch(({ kind }) => told.push(kind))
    await touch(far)
    await within(SECOND, 'it is told', () => told.includes('marks'))
    const node = await listenedTo(cluster.nodes)
    await node.server.kill()
    await until('it listens to another', () => told.includes('gap'))
    await cluster.whole()
    told.length = 0
    await until('changes are told again', async () => {
      // The key of the bot may be on any node.
      for (let bot = 1; bot <= 3; bot++) await touch(far, bot).catch(() => undefined)
      return told.includes('marks')
    })
  } finally {
    await near.close()
    await far.close()
    await cluster.stop()
  }
})

test('a server that is no longer part of its cluster is replaced by another to listen to', async () => {
  const cluster = await startCluster()
  const [near, far] = [redis(cluster.urls), redis(cluster.urls)]
  const clients = cluster.urls.map((url) => new Redis(url, { disconnectTimeout: 50 }))
  try {
    const told: string[] = []
    await near.watch(({ kind }) => told.push(kind))
    const removed = await listenedTo(cluster.nodes)
    const at = cluster.nodes.indexOf(removed)
    // As redis-cli does it: the node is reset, left running, and another one serves its slots.
    const [other, third] = clients.filter((_, nth) => nth !== at) as [Redis, Redis]
    await clients[at]?.cluster('RESET')
    for (const client of [other, third]) await client.cluster('FORGET', removed.id)
    await other.call('CLUSTER', 'ADDSLOTSRANGE', ...rangeOf(at))
    await until('all slots are served', async () => {
      const states = await Promise.all([other, third].map((client) => client.cluster('INFO')))
      return states.every((state) => String(state).includes('cluster_state:ok'))
    })
    await until('it listens to another', () => told.includes('gap'), 30 * SECOND)
    await until(
      'changes are told again',
      async () => {
        for (let bot = 1; bot <= 3; bot++) await touch(far, bot).catch(() => undefined)
        return told.includes('marks')
      },
      30 * SECOND,
    )
  } finally {
    for (const client of clients) client.disconnect()
    await near.close()
    await far.close()
    await cluster.stop()
  }
})

test('if the name of a server leads to another one, the other one is listened to', async () => {
  const [old, later] = await Promise.all([startRedis(), startRedis()])
  const proxy = await startProxy(old.port)
  const [near, far] = [redis(proxy.urlOf(old.url)), redis(later.url)]
  const admin = new Redis(old.url, { disconnectTimeout: 50 })
  try {
    const told: string[] = []
    await near.watch(({ kind }) => told.push(kind))
    proxy.lead(later.port)
    // Ends all connections except those of listeners.
    await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await until('it listens to the other', () => told.includes('gap'), 10 * SECOND)
    await touch(far)
    await within(SECOND, 'it is told', () => told.includes('marks'))
  } finally {
    admin.disconnect()
    await near.close()
    await far.close()
    await proxy.stop()
    await Promise.all([old.stop(), later.stop()])
  }
})

test.each([
  ['a URL', (url: string): RedisConnection => url],
  [
    'a client with a prefix of its own',
    (url: string) => new Redis(url, { keyPrefix: 'app:', autoResendUnfulfilledCommands: false }),
  ],
  ['a user with only the channel of changes', (url: string) => url.replace('://', '://listener:pw@')],
])('a connection that receives changes is not replaced: %s', async (_, connect) => {
  const prefix = freshName()
  const url = await sharedRedis()
  const admin = new Redis(url)
  await admin.acl('SETUSER', 'listener', 'on', '>pw', '~*', `&${prefix}:changes`, '+@all')
  jest.useFakeTimers({ doNotFake: [...OTHER_TIMERS] })
  const connection = connect(url)
  const [near, far] = [redis(connection, { prefix }), redis(url, { prefix })]
  try {
    const told: string[] = []
    await near.watch(({ kind }) => told.push(kind))
    for (let beat = 1; beat <= 8; beat++) {
      jest.advanceTimersByTime(SECOND)
      // What the heartbeat sent was executed before this call, so its messages arrive before this change.
      await near.marks.get(BOT, ALICE, 'blocked')
      await touch(far)
      await within(SECOND, 'the change is told', () => told.length === beat)
    }
    expect(told).toEqual(Array(8).fill('marks'))
  } finally {
    jest.useRealTimers()
    await near.close()
    await far.close()
    if (connection instanceof Redis) connection.disconnect()
    await admin.acl('DELUSER', 'listener')
    admin.disconnect()
  }
})

/** The slots of a master of a cluster that was just started. */
function rangeOf(nth: number): [number, number] {
  const from = Math.ceil((16_384 * nth) / 3)
  return [from, Math.ceil((16_384 * (nth + 1)) / 3) - 1]
}

async function listenedTo(nodes: readonly ClusterNode[]): Promise<ClusterNode> {
  for (const node of nodes) {
    const client = new Redis(node.server.url, { disconnectTimeout: 50 })
    const [, listeners] = await client.pubsub('NUMSUB', 'sentinel:changes')
    client.disconnect()
    if (listeners === 1) return node
  }
  throw new Error('nobody listens')
}
