import { redis } from '../../../src/storage/redis/index.js'
import { type RedisServer, startRedis } from '../../servers/redis.js'
import { until } from '../../servers/until.js'
import { BOB, BOT } from '../outage.js'
import { clearStands, isBack, isDown, passes, type Stand, stand } from '../standing.js'

/* Another worker, whose clock is ten minutes ahead, has blocked a user. */

const AHEAD = 600_000
const servers: RedisServer[] = []
async function server(): Promise<RedisServer> {
  const started = await startRedis()
  servers.push(started)
  return started
}
afterEach(async () => {
  for (const each of servers) each.resume()
  await clearStands()
  for (const each of servers.splice(0)) await each.stop()
})

async function blockedByTheOther(standing: Stand, other: ReturnType<typeof redis>): Promise<void> {
  await other.marks.put(BOT, 'blocked', [{ key: BOB, mark: { since: Date.now() + AHEAD } }])
  await until('this worker knows it, too', async () => {
    const { circuit } = await standing.storage.health()
    return circuit?.copy?.marks === 2 && !(await passes(standing.judge, BOB))
  })
}

test('an unblock during an outage is written, although the block seems to be newer', async () => {
  const redisServer = await server()
  const other = redis(redisServer.url)
  const standing = await stand(redis(redisServer.url))
  await blockedByTheOther(standing, other)
  redisServer.suspend()
  await isDown(standing)
  await expect((async () => standing.storage.marks.remove(BOT, 'blocked', [BOB]))()).rejects.toMatchObject({
    code: 'storage.unavailable',
  })
  expect(await passes(standing.judge, BOB)).toBe(true)
  redisServer.resume()
  await isBack(standing)
  await until('nothing waits', async () => (await standing.storage.health()).circuit?.waiting.marks === 0)
  expect(await other.marks.get(BOT, BOB, 'blocked')).toBeUndefined()
  expect(await passes(standing.judge, BOB)).toBe(true)
  await other.close()
})
