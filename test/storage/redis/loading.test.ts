import { jest } from '@jest/globals'
import { Redis } from 'ioredis'
import { redis } from '../../../src/storage/redis/index.js'
import { startRedis } from '../../servers/redis.js'
import { Stopwatch } from '../../servers/stopwatch.js'
import { until } from '../../servers/until.js'
import { ALICE, BOT } from './desk.js'

/** Number of keys, which take 200 ms each to load. */
const KEYS = 150

test('a server that expects to load for long is used again as soon as it has loaded, and until then the reason is told', async () => {
  const server = await startRedis({
    config: ['key-load-delay 200000', 'loading-process-events-interval-bytes 1024', 'rdbcompression no'],
  })
  const admin = new Redis(server.url, { enableReadyCheck: false, disconnectTimeout: 50 })
  admin.on('error', () => undefined)
  const storage = redis(server.url)
  const get = async (): Promise<string> => {
    try {
      await storage.marks.get(BOT, ALICE, 'x')
      return 'well'
    } catch (error) {
      return (error as Error).message
    }
  }
  try {
    expect(await get()).toBe('well')
    for (let key = 0; key < KEYS; key++) await admin.set(`key${key}`, 'x'.repeat(2000))
    await admin.save()
    await server.kill()
    await until('it is gone', async () => (await get()).includes('ECONNREFUSED'))
    /** What the server told the storage, in seconds. */
    const expected: number[] = []
    const { info } = Redis.prototype
    jest.spyOn(Redis.prototype, 'info').mockImplementation(async function (this: Redis, ...asked) {
      const answer = await (info as (...asked: unknown[]) => Promise<string>).apply(this, asked)
      expected.push(Number(/loading_eta_seconds:(\d+)/.exec(answer)?.[1]))
      return answer
    } as typeof info)
    const restarting = server.restart()
    await until('the storage was told that it takes long', () => expected.some((seconds) => seconds > 5))
    expect(await get()).toMatch(/accepts connections.*loading/)
    await admin.config('SET', 'key-load-delay', 0)
    await restarting
    const watch = new Stopwatch()
    await until('it is used again', async () => (await get()) === 'well')
    watch.stop()
    expect(watch.passed).toBeLessThan(2000)
  } finally {
    jest.restoreAllMocks()
    await storage.close()
    admin.disconnect()
    await server.stop()
  }
})
