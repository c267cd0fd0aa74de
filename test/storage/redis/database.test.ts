import { Redis } from 'ioredis'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { redis } from '../../../src/storage/redis/index.js'
import { type RedisServer, startRedis } from '../../servers/redis.js'
import { until } from '../../servers/until.js'
import { ALICE, BOT } from './desk.js'

/* A storage whose database cannot be selected is down. It never uses database 0 in its place, which may belong to others. */

const RIGHTS = '>pw ~sentinel:* &sentinel:* +@all -@dangerous +info +role'

let server: RedisServer
let admin: Redis
beforeAll(async () => {
  server = await startRedis({ users: { app: RIGHTS, unselecting: `${RIGHTS} -select` } })
  admin = new Redis(server.url)
}, 30_000)
afterAll(async () => {
  admin.disconnect()
  await server.stop()
})
beforeEach(async () => {
  await admin.flushall()
  await admin.acl('SETUSER', 'app', '+select')
})

const put = ({ marks }: Storage) => marks.put(BOT, 'blocked', [{ key: ALICE, mark: { since: 1 } }])
const isBlocked = async ({ marks }: Storage): Promise<boolean> =>
  (await marks.get(BOT, ALICE, 'blocked')) !== undefined

test.each([
  ['that the server does not have', '/99', 'storage.failed', 'DB index is out of range'],
  ['that the user may not select', '/2', 'storage.permission', "the 'select' command"],
])('a database %s is reported, and nothing is written elsewhere', async (_, path, code, words) => {
  const user = path === '/2' ? 'unselecting:pw@' : ''
  const storage = redis(`redis://${user}127.0.0.1:${server.port}${path}`)
  const reason = { code, message: expect.stringContaining(words) }
  await expect((async () => put(storage))()).rejects.toMatchObject(reason)
  await expect((async () => isBlocked(storage))()).rejects.toMatchObject(reason)
  expect((await storage.health()).ok).toBe(false)
  expect(await admin.info('keyspace')).not.toContain('db')
  await storage.close()
})

test('a connection made again does not use database 0 while its database cannot be selected', async () => {
  const storage = redis(`redis://app:pw@127.0.0.1:${server.port}/2`)
  await put(storage)
  // A server that runs a long script of another client refuses this command, too, and soon answers again.
  await admin.acl('SETUSER', 'app', '-select')
  await admin.call('CLIENT', 'KILL', 'USER', 'app')
  const outcomes = new Set<unknown>()
  const ask = async (): Promise<unknown> => {
    try {
      return await isBlocked(storage)
    } catch (error) {
      return (error as Error).message
    }
  }
  await until('it was refused', async () => {
    outcomes.add(await ask())
    return String([...outcomes]).includes("'select' command")
  })
  await until('it tried again several times', async () => {
    outcomes.add(await ask())
    return (await refusals()) >= 5
  })
  expect(outcomes.has(false)).toBe(false)
  await admin.acl('SETUSER', 'app', '+select')
  await until('it is back in its database', async () => {
    const outcome = await ask()
    outcomes.add(outcome)
    return outcome === true
  })
  expect(outcomes.has(false)).toBe(false)
  await storage.close()
})

async function refusals(): Promise<number> {
  return Number(/cmdstat_select:.*rejected_calls=(\d+)/.exec(await admin.info('commandstats'))?.[1] ?? 0)
}
