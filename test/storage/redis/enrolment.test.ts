import { jest } from '@jest/globals'
import { Redis } from 'ioredis'
import type { Judge } from '../../../src/core/check.js'
import { redis } from '../../../src/storage/redis/index.js'
import { type RedisServer, startRedis } from '../../servers/redis.js'
import { until } from '../../servers/until.js'
import { ALICE, admits, askOf, BOT, bucket, planOf } from './desk.js'

const HOUR = 3_600_000
/** Two workers of different versions: only one of them knows the limit. */
const SALES = { ...planOf(bucket(1, HOUR, 'sales')), name: 'sales' }
const OTHER = planOf(bucket(1, HOUR, 'other'))
const PLANS = `sentinel:{${BOT}}:plans`

let server: RedisServer
let admin: Redis
beforeAll(async () => {
  const all = '~sentinel:* &sentinel:* +@all -@dangerous +info +role'
  server = await startRedis({
    password: 'boss',
    users: { whole: `${all} >secret`, short: `${all} -zremrangebyrank >secret` },
  })
  admin = new Redis(server.url, { disconnectTimeout: 50 })
})
afterAll(async () => {
  admin.disconnect()
  await server.stop()
})
beforeEach(async () => {
  await admin.flushall()
  await admin.acl('LOG', 'RESET')
})

const urlOf = (user: string): string => `redis://${user}:secret@127.0.0.1:${server.port}`

async function passes(judge: Judge): Promise<boolean> {
  return admits(judge, askOf(ALICE))
}

describe('the slots of plans are registered', () => {
  test('again on a server that came back without it, so that other processes still reset all of it', async () => {
    const own = await startRedis()
    const [one, other] = [redis(own.url), redis(own.url)]
    try {
      const sales = await one.prepare(SALES)
      await other.prepare(OTHER)
      expect(await passes(sales)).toBe(true)
      await own.kill()
      await own.restart()
      await until('both are connected', async () => (await one.health()).ok && (await other.health()).ok)
      expect([await passes(sales), await passes(sales)]).toEqual([true, false])
      await other.reset(BOT, ALICE)
      expect(await passes(sales)).toBe(true)
    } finally {
      await Promise.all([one.close(), other.close()])
      await own.stop()
    }
  })

  test.each([
    ['FLUSHALL, which causes no event: within ten minutes', false],
    ['FLUSHALL, over a client that was passed in', true],
  ])('again after %s', async (_, isGiven) => {
    const client = new Redis(server.url, { autoResendUnfulfilledCommands: false, lazyConnect: true })
    const storage = redis(isGiven ? client : server.url)
    const now = jest.spyOn(performance, 'now')
    try {
      const sales = await storage.prepare(SALES)
      await passes(sales)
      expect(await admin.zcard(PLANS)).toBe(1)
      await admin.flushall()
      await passes(sales)
      expect(await admin.zcard(PLANS)).toBe(0)
      const at = performance.now()
      now.mockImplementation(() => at + 600_000)
      await passes(sales)
      await until('it is noted', async () => (await admin.zcard(PLANS)) === 1)
    } finally {
      now.mockRestore()
      await storage.close()
      client.disconnect()
    }
  })

  test('over a given client as soon as it has reconnected', async () => {
    const client = new Redis(server.url, { autoResendUnfulfilledCommands: false })
    const storage = redis(client)
    try {
      const sales = await storage.prepare(SALES)
      await passes(sales)
      await admin.flushall()
      await admin.client('KILL', 'ID', await client.client('ID'))
      await until('it is noted', async () => {
        await passes(sales).catch(() => undefined)
        return (await admin.zcard(PLANS)) === 1
      })
    } finally {
      await storage.close()
      client.disconnect()
    }
    expect([client.listenerCount('ready'), client.listenerCount('+node')]).toEqual([0, 0])
  })

  test('by processes that store state, and not by those that only read', async () => {
    const storage = redis(server.url)
    const sales = await storage.prepare(SALES)
    await sales.peek(askOf(ALICE))
    expect(await admin.zcard(PLANS)).toBe(0)
    await passes(sales)
    expect(await admin.zcard(PLANS)).toBe(1)
    await storage.close()
  })
})

test('a missing permission causes one warning, and no retry with every call', async () => {
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  const storage = redis(urlOf('short'))
  const now = jest.spyOn(performance, 'now')
  try {
    const judges = await Promise.all([storage.prepare(SALES), storage.prepare(OTHER)])
    await admin.config('RESETSTAT')
    for (let n = 0; n < 20; n++) for (const judge of judges) await passes(judge)
    const noted = async () => /cmdstat_zadd:calls=(\d+)/.exec(await admin.info('commandstats'))?.[1]
    expect(await noted()).toBe('2')
    const at = performance.now()
    now.mockImplementation(() => at + 30_000)
    await passes(judges[0])
    expect(await noted()).toBe('3')
    await until('it is told', () => warned.mock.calls.length > 0)
    expect(warned.mock.calls).toEqual([
      [expect.stringContaining('zremrangebyrank'), { code: 'GRAMMY_SENTINEL_PLANS' }],
    ])
    expect(String(warned.mock.calls[0]?.[0])).not.toContain('secret')
  } finally {
    now.mockRestore()
    warned.mockRestore()
    await storage.close()
  }
})
