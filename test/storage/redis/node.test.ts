import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { sentinel } from '../../../src/index.js'
import { type RedisConnection, redis } from '../../../src/storage/redis/index.js'
import { type RedisCluster, startCluster } from '../../servers/cluster.js'
import { freePort } from '../../servers/ports.js'
import { startRedis } from '../../servers/redis.js'
import { freshName, sharedCluster, sharedRedis } from '../../servers/shared.js'
import { until } from '../../servers/until.js'
import { ALICE, blocked, planOf } from './desk.js'

/* A node of a cluster has only some of the keys, and a cluster lists its nodes without passwords. */

const PLAN = planOf(blocked)
const SECRET = 'hunter2/of%the@tests'
const BOTS = Array.from({ length: 12 }, (_, index) => 100 + index)
const NODE = {
  code: 'storage.cluster',
  message: expect.stringMatching(/the server is a node of a cluster.*Pass a list of nodes/),
}

describe('one connection to a node of a cluster is refused', () => {
  test.each([
    ['a URL', (url: string): RedisConnection => url],
    ['a URL with a database', (url: string): RedisConnection => `${url}/1`],
    [
      'a client',
      (url: string) => new Redis(url, { autoResendUnfulfilledCommands: false, lazyConnect: true }),
    ],
    ['a user without the EXISTS command', (url: string) => url.replace('redis://', 'redis://unasked:pw@')],
  ])('%s', async (what, connect) => {
    const url = await sharedCluster()
    const admin = new Redis(url)
    await admin.acl('SETUSER', 'unasked', 'on', '>pw', '~*', '&*', '+@all', '-exists', '-@dangerous', '+info')
    const connection = connect(url)
    const storage = redis(connection, { prefix: freshName() })
    const isUnasked = what === 'a user without the EXISTS command'
    // Without EXISTS, the cluster is only detected at the first key of another node.
    if (!isUnasked) await expect(storage.prepare(PLAN)).rejects.toMatchObject(NODE)
    const writes = await Promise.allSettled(
      BOTS.map((bot) => storage.marks.put(bot, 'blocked', [{ key: ALICE, mark: { since: 1 } }])),
    )
    const refused = writes.filter(({ status }) => status === 'rejected')
    expect(refused.length).toBeGreaterThanOrEqual(isUnasked ? 1 : BOTS.length)
    for (const each of refused) expect(each).toMatchObject({ reason: NODE })
    if (!isUnasked) await expect(storage.archive?.contents()).rejects.toMatchObject(NODE)
    await storage.close()
    if (connection instanceof Redis) connection.disconnect()
    await admin.acl('DELUSER', 'unasked')
    admin.disconnect()
  })
})

test('a bot with such a URL reports the storage as down, with the reason and the remedy', async () => {
  const storage = redis(await sharedCluster(), { prefix: freshName() })
  const guard = sentinel({ storage })
  const down: unknown[] = []
  guard.on('storage.down', (event) => down.push(event))
  await until('it is down', () => down.length > 0)
  expect(down[0]).toMatchObject({ reason: 'storage.cluster', message: NODE.message })
  await guard.close()
  await storage.close()
})

test('a list of nodes none of which can be reached is reported as such', async () => {
  const storage = redis([`redis://127.0.0.1:${await freePort()}`])
  // Advice about the settings of its nodes would mislead: it is for a cluster that was reached.
  await expect(storage.prepare(PLAN)).rejects.toThrow(/None of startup nodes|Failed to refresh slots cache/)
  await storage.close()
})

test('a list of nodes with a server outside of a cluster is refused with the reason', async () => {
  const storage = redis([await sharedRedis()])
  await expect(storage.prepare(PLAN)).rejects.toThrow('cluster support disabled')
  await storage.close()
})

describe('a cluster that requires a password', () => {
  let cluster: RedisCluster
  beforeAll(async () => {
    cluster = await startCluster({ password: SECRET })
  }, 60_000)
  afterAll(() => cluster.stop())

  test('can be used with the password in the first URL, on every node', async () => {
    const storage = redis([cluster.url])
    await storage.prepare(PLAN)
    for (const bot of BOTS) await storage.marks.put(bot, 'blocked', [{ key: ALICE, mark: { since: 1 } }])
    const { bots } = (await storage.archive?.contents()) ?? { bots: [] }
    expect(bots.map(({ id }) => id)).toEqual(BOTS)
    await storage.close()
  })

  test('reports a wrong password', async () => {
    const { host } = new URL(cluster.url)
    const storage = redis([`redis://:wrong@${host}`])
    await expect(storage.prepare(PLAN)).rejects.toMatchObject({
      code: 'storage.permission',
      message: expect.stringContaining('Check the user and the password'),
    })
    await storage.close()
  })
})

test.each([
  ['rediss', 0x16],
  ['redis', '*'.charCodeAt(0)],
])('with %s:// in a list of nodes, the first byte sent to a node is %p', async (scheme, first) => {
  const received = new Set<number | undefined>()
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', (bytes: Buffer) => {
      received.add(bytes[0])
      socket.destroy()
    })
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo
  const storage = redis([`${scheme}://:${SECRET.replace(/\W/g, '')}@127.0.0.1:${port}`])
  await expect(storage.prepare(PLAN)).rejects.toMatchObject({ code: 'storage.failed' })
  // 0x16 begins a TLS handshake; an asterisk begins a command in plain text, which would contain the password.
  expect([...received]).toEqual([first])
  await storage.close()
  server.close()
})

test('the URL of a socket may contain a user and a password', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'sentinel-unix-'))
  const server = await startRedis({ config: [`unixsocket ${dir}/redis.sock`], password: SECRET })
  try {
    for (const user of ['', 'default']) {
      const storage = redis(`unix://${user}:${encodeURIComponent(SECRET)}@${dir}/redis.sock?db=2`)
      await storage.values.put('space', 'key', 1)
      await storage.close()
    }
    const client = new Redis(server.url, { db: 2 })
    expect(await client.dbsize()).toBeGreaterThan(0)
    client.disconnect()
    const without = redis(`unix://${dir}/redis.sock`)
    await expect(without.values.get('space', 'key')).rejects.toMatchObject({ code: 'storage.permission' })
    await without.close()
  } finally {
    await server.stop()
    rmSync(dir, { recursive: true })
  }
})
