import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import Database from 'libsql'
import { migrate as command } from '../../src/cli/migrate.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { redis } from '../../src/storage/redis/index.js'
import { sqlite } from '../../src/storage/sqlite/index.js'
import { type RedisCluster, startCluster } from '../servers/cluster.js'
import { startRedis } from '../servers/redis.js'
import { freshName, sharedRedis } from '../servers/shared.js'
import { until } from '../servers/until.js'
import { linesOf, stock } from '../storage/migrate/stock.js'
import { ALICE } from '../storage/redis/desk.js'

const BOTS = Array.from({ length: 12 }, (_, index) => 100 + index)
const SECRET = 'comma,at%@slash/'

let cluster: RedisCluster
const { getBuiltinModule } = process
const folder = mkdtempSync(join(tmpdir(), 'sentinel-migrate-'))

beforeAll(async () => {
  // A replacement of node:sqlite that opens paths and works on every version of Node.
  process.getBuiltinModule = ((name: string) =>
    name === 'node:sqlite' ? { DatabaseSync: Database } : getBuiltinModule(name)) as never
  cluster = await startCluster({ password: SECRET })
}, 60_000)
afterAll(async () => {
  process.getBuiltinModule = getBuiltinModule
  rmSync(folder, { recursive: true })
  await cluster.stop()
})

/** Runs the command, and returns its exit code and its output. */
async function run(from: string, to: string, ...more: string[]): Promise<readonly [number, string]> {
  const said: string[] = []
  const terminal = {
    env: { MIGRATE_FROM: from, MIGRATE_TO: to },
    out: (line: string) => said.push(line),
    err: (line: string) => said.push(line),
  }
  const code = await command.run(more, terminal)
  return [code, said.join('\n')]
}

/** Stores blocks on all nodes of the cluster, and everything else that a storage holds. */
async function filled(storage: Storage): Promise<Storage> {
  await stock(storage)
  for (const bot of BOTS) await storage.marks.put(bot, 'blocked', [{ key: ALICE, mark: { since: 1 } }])
  return storage
}

/** Ways to write the URL of the cluster. */
const FORMS: readonly (readonly [string, () => string])[] = [
  ['one node', () => cluster.urls[1] as string],
  ['several URLs', () => cluster.urls.join(',')],
  ['several URLs with a space', () => cluster.urls.join(', ')],
  [
    'one URL with several hosts',
    () => [cluster.urls[0], ...cluster.urls.slice(1).map((url) => new URL(url).host)].join(),
  ],
  // Commas in a password need not be percent-encoded.
  ['a comma in the password', () => cluster.urls.map((url) => url.replace('%2C', ',')).join()],
]

test.each(FORMS)('all data of a cluster given by %s can be moved', async (_, url) => {
  const prefix = freshName()
  const from = await filled(redis(cluster.urls, { prefix }))
  const path = join(folder, `${prefix}.db`)
  const moved = await run(url(), `sqlite:${path}`, '--from-prefix', prefix)
  expect(moved).toEqual([0, expect.stringContaining('Source and target are equal.')])
  const to = sqlite(path)
  expect(await linesOf(to)).toEqual(await linesOf(from))
  expect((await to.archive?.contents())?.bots.map(({ id }) => id)).toEqual([42, 43, ...BOTS])
  await Promise.all([from.close(), to.close()])
})

test.each(FORMS)('all data can be moved to a cluster given by %s', async (_, url) => {
  const prefix = freshName()
  const single = await sharedRedis()
  const from = await filled(redis(single, { prefix }))
  const to = redis(cluster.urls, { prefix })
  const moved = await run(single, url(), '--from-prefix', prefix, '--to-prefix', prefix)
  expect(moved).toEqual([0, expect.stringContaining('Source and target are equal.')])
  expect(await linesOf(to)).toEqual(await linesOf(from))
  await Promise.all([from.close(), to.close()])
})

test('a list of servers that are no cluster is reported, and nothing is moved', async () => {
  const single = await sharedRedis()
  const [code, said] = await run(`${single},${single}`, cluster.url)
  expect([code, said]).toEqual([1, expect.stringContaining('cluster support disabled')])
})

test.each(['redis://a,', 'redis://:pw@a,,b', 'redis://', 'redis://a,redis://', ',redis://a'])(
  'a list %j with a missing host is wrong usage',
  async (url) => {
    await expect(run(url, cluster.url)).rejects.toMatchObject({ name: 'UsageError' })
  },
)

test('a wrong password is reported, but not shown', async () => {
  const url = cluster.url.replace(encodeURIComponent(SECRET), 'wrong,wrong')
  const [code, said] = await run(url, `sqlite:${join(folder, 'none.db')}`)
  expect(code).toBe(1)
  expect(said).toContain('[storage.permission]')
  expect(said).not.toContain('wrong,wrong')
  const client = new Redis(cluster.url)
  expect(await client.ping()).toBe('PONG')
  client.disconnect()
})

test('a node that announces no address is reported at once', async () => {
  const server = await startRedis({ config: ['cluster-enabled yes', 'cluster-config-file nodes.conf'] })
  const client = new Redis(server.url)
  await client.call('CLUSTER', 'ADDSLOTSRANGE', 0, 16_383)
  await until('it serves all slots', async () => String(await client.cluster('INFO')).includes('state:ok'))
  client.disconnect()
  const [code, said] = await run(server.url, `sqlite:${join(folder, 'alone.db')}`)
  expect([code, said]).toEqual([1, expect.stringContaining('its nodes must announce an address')])
  await server.stop()
})
