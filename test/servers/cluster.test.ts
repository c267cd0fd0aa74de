import { Cluster, Redis } from 'ioredis'
import { type RedisCluster, startCluster } from './cluster.js'
import { freshName, sharedCluster } from './shared.js'
import { until } from './until.js'

const opened: { stop(): Promise<void> }[] = []
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.stop()
})

function clientOf(url: string): Cluster {
  // With slotsRefreshInterval, a client that is disconnected during a refresh would never stop (ioredis 6.0).
  const client = new Cluster([url], { redisOptions: { commandTimeout: 5000 } })
  // The error is also passed to the caller of the command.
  client.on('error', () => undefined)
  opened.push({ stop: async () => client.disconnect() })
  return client
}

describe('a cluster for one test', () => {
  let cluster: RedisCluster
  beforeAll(async () => {
    cluster = await startCluster()
  })
  afterAll(() => cluster.stop())

  test('serves all keys from three masters', async () => {
    const { url, nodes, ownerOf } = cluster
    const client = clientOf(url)
    const keys = Array.from({ length: 30 }, (_, index) => `key${index}`)
    await Promise.all(keys.map((key) => client.set(key, key)))
    expect(await Promise.all(keys.map((key) => client.get(key)))).toEqual(keys)
    const owners = await Promise.all(keys.map(ownerOf))
    expect(new Set(owners.map(({ id }) => id))).toEqual(new Set(nodes.map(({ id }) => id)))
  })

  test('restores a killed node with its slots', async () => {
    const { nodes, ownerOf, whole, url } = cluster
    const owner = await ownerOf('a')
    await owner.server.kill()
    await owner.server.restart()
    await whole()
    expect((await ownerOf('a')).id).toBe(owner.id)
    expect(nodes.filter(({ server }) => server.running)).toHaveLength(3)
    expect(await clientOf(url).set('a', '1')).toBe('OK')
  })
})

test('a replica takes over from a killed master, with its keys', async () => {
  const cluster = await startCluster({ replicas: 1 })
  opened.push(cluster)
  const { nodes, ownerOf, whole } = cluster
  expect(nodes).toHaveLength(6)
  const owner = await ownerOf('a')
  const index = nodes.indexOf(owner)
  expect(index).toBeLessThan(3)
  const master = new Redis(owner.server.url)
  opened.push({ stop: async () => master.disconnect() })
  master.on('error', () => undefined)
  await master.set('a', '1')
  // Replication is asynchronous: writes that the replica has not confirmed may be lost.
  expect(await master.wait(1, 5000)).toBe(1)
  await owner.server.kill()
  await until('the replica took over', async () => {
    return ownerOf('a').then(
      ({ id }) => id === nodes[index + 3]?.id,
      () => false,
    )
  })
  await whole()
  expect(await clientOf((await ownerOf('a')).server.url).get('a')).toBe('1')
  await owner.server.restart()
  await whole()
})

test('suites share one cluster', async () => {
  const url = await sharedCluster()
  expect(await sharedCluster()).toBe(url)
  const key = freshName()
  const client = clientOf(url)
  expect(await client.set(key, 'x', 'EX', 10)).toBe('OK')
})
