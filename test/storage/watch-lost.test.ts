import { jest } from '@jest/globals'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { SentinelError } from '../../src/core/errors.js'
import { userKey } from '../../src/core/subject.js'
import type { StorageChange } from '../../src/storage/contract/changes.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { hybrid } from '../../src/storage/hybrid.js'
import { Changes as PostgresChanges } from '../../src/storage/postgres/changes.js'
import { postgres } from '../../src/storage/postgres/index.js'
import type { Link } from '../../src/storage/postgres/link.js'
import { Changes } from '../../src/storage/redis/changes.js'
import type { Connection } from '../../src/storage/redis/connection.js'
import { redis } from '../../src/storage/redis/index.js'
import { type PostgresServer, startPostgres } from '../servers/postgres.js'
import { type NetworkProxy, startProxy } from '../servers/proxy.js'
import { type RedisServer, startRedis } from '../servers/redis.js'
import { freshName } from '../servers/shared.js'
import { until } from '../servers/until.js'
import * as near from './hybrid/desk.js'
import {
  ALICE,
  askOf,
  BOB,
  BOT,
  blocked,
  isAdmitted,
  type Outage,
  outage,
  planOf,
  settled,
} from './outage.js'

/* The connection for changes is lost and cannot be made again, although the storage answers everything else. */

const LOST = new SentinelError('storage.permission', 'The user lacks the channel.')
const mark = { since: 1 }

/** What a listener has been told about its connection. */
const connectionsIn = (told: readonly StorageChange[]): string[] =>
  told.flatMap((change) => (change.kind === 'gap' ? [change.lost === undefined ? 'back' : 'lost'] : []))

describe('a storage whose changes are no longer received', () => {
  async function lost(): Promise<Outage> {
    const stage = outage()
    await (await stage.judgeOf(blocked)).evaluate(askOf(BOB))
    await settled()
    stage.remote.deaf = true
    stage.remote.gap(LOST)
    await settled()
    return stage
  }
  const readings = ({ remote }: Outage): number => remote.asked.filter((what) => what === 'marks.scan').length

  test('is copied every 30 seconds, so that new blocks hold while it is down', async () => {
    const stage = await lost()
    await stage.pass(35_000)
    await stage.remote.kept.marks.put(BOT, 'blocked', [{ key: ALICE, mark }])
    await stage.pass(30_000)
    const judge = await stage.judgeOf(blocked)
    await stage.goDown(judge)
    expect(isAdmitted(await judge.evaluate(askOf(ALICE)))).toBe(false)
  })

  test('is still copied every 30 seconds after it was down meanwhile', async () => {
    const stage = await lost()
    await stage.goDown(await stage.judgeOf(blocked))
    stage.remote.fault = 'none'
    await stage.pass(5000)
    const before = readings(stage)
    await stage.pass(65_000)
    expect(readings(stage) - before).toBe(2)
  })

  test('is no longer copied once changes are received again', async () => {
    const stage = await lost()
    const before = readings(stage)
    stage.remote.gap()
    await stage.pass(100_000)
    expect(readings(stage) - before).toBe(1)
  })

  test('tells listeners every 30 seconds to read again, also those that come after the loss', async () => {
    const stage = await lost()
    const told: StorageChange[] = []
    await stage.storage.watch((change) => told.push(change))
    expect(connectionsIn(told)).toEqual(['lost'])
    await stage.pass(65_000)
    expect(connectionsIn(told)).toEqual(['lost', 'lost', 'lost'])
    stage.remote.gap()
    await stage.pass(65_000)
    expect(connectionsIn(told)).toEqual(['lost', 'lost', 'lost', 'back'])
  })

  test('has the reason in health()', async () => {
    const { circuit } = await (await lost()).storage.health()
    expect(circuit).toMatchObject({ state: 'closed', reason: LOST.code, message: LOST.message })
  })

  test('no longer has the reason in health() once changes are received again', async () => {
    const stage = await lost()
    stage.remote.gap()
    const { circuit } = await stage.storage.health()
    expect(circuit?.reason).toBeUndefined()
    expect(circuit?.message).toBeUndefined()
  })

  test('has a later failure in health() even if changes are received again', async () => {
    const stage = await lost()
    stage.remote.fault = 'refuses'
    await (await stage.judgeOf(blocked)).evaluate(askOf(BOB))
    stage.remote.fault = 'none'
    stage.remote.gap()
    expect((await stage.storage.health()).circuit?.reason).toBe('ECONNREFUSED')
  })

  test('counts as lost for hybrid() if it could never be watched, until it can be', async () => {
    const stage = outage()
    const { watch } = stage.remote
    stage.remote.watch = async () => {
      throw LOST
    }
    const { clock, timers } = stage.time
    const worker = hybrid(stage.storage, { clock, timers })
    await worker.prepare(planOf(blocked))
    await settled()
    expect((await worker.health()).hybrid?.watching).toBe(false)
    await stage.pass(65_000)
    expect((await worker.health()).hybrid?.watching).toBe(false)
    stage.remote.watch = watch
    await stage.pass(30_000)
    expect((await worker.health()).hybrid?.watching).toBe(true)
    await worker.close()
  })
})

describe('hybrid(), if it no longer receives changes,', () => {
  let desk: near.Desk
  beforeEach(() => {
    desk = new near.Desk()
  })
  afterEach(() => desk.close())

  test('remembers refusals for a second, until it receives changes again', async () => {
    const worker = desk.worker()
    const judge = await desk.judge(worker, near.blocked)
    await worker.marks.put(near.BOT, 'blocked', [{ key: near.ALICE, mark }])
    desk.remote.deaf = true
    desk.remote.gap(LOST)
    expect((await worker.health()).hybrid?.watching).toBe(false)
    expect((await judge.evaluate(near.askOf())).refusedBy).toBe(0)
    await desk.remote.kept.marks.remove(near.BOT, 'blocked', [near.ALICE])
    desk.time.now += 1000
    expect((await judge.evaluate(near.askOf())).refusedBy).toBe(-1)
    desk.remote.gap()
    expect((await worker.health()).hybrid?.watching).toBe(true)
  })

  test('does not let blocked users pass by a lease', async () => {
    const worker = desk.worker({ lease: { limits: ['all'], batch: 32, for: '1s' } })
    const limit = { amount: 100, per: 1000, burst: 1000 }
    const all = near.bucket(0, { slot: 'throttle.all', subject: 1, limit } as object)
    const judge = await desk.judge(worker, near.blocked, all)
    for (let i = 0; i < 20; i++) {
      await judge.evaluate(near.askOf())
      await settled()
    }
    desk.remote.deaf = true
    desk.remote.gap(LOST)
    await desk.remote.kept.marks.put(near.BOT, 'blocked', [{ key: near.ALICE, mark }])
    await settled()
    for (let i = 0; i < 5; i++) {
      expect((await judge.evaluate(near.askOf())).refusedBy).toBe(0)
      await settled()
    }
  })
})

describe('redis()', () => {
  let server: RedisServer
  let admin: Redis
  let storage: Storage
  let told: StorageChange[]
  beforeAll(async () => {
    server = await startRedis()
    admin = new Redis(server.url, { disconnectTimeout: 50 })
  })
  afterAll(async () => {
    admin.disconnect()
    await server.stop()
  })
  beforeEach(async () => {
    await admin.acl('SETUSER', 'bot', 'reset', 'on', '>old', '~sentinel:*', '&sentinel:*', '+@all')
    storage = redis(server.url.replace('://', '://bot:old@'))
    told = []
    await storage.watch((change) => told.push(change))
  })
  afterEach(async () => storage.close())

  test.each([
    ['the right to the channel is taken away', ['resetchannels'], ['&sentinel:*']],
    ['the password is changed', ['resetpass', '>new'], ['>old']],
  ])('tells listeners when %s, and when it is given back', async (_, taken, given) => {
    await admin.acl('SETUSER', 'bot', ...taken)
    await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await until('the loss is told', () => connectionsIn(told).includes('lost'), 10_000)
    expect(told.at(-1)).toMatchObject({ kind: 'gap', lost: { code: 'storage.permission' } })
    // All else is served on the connection that is open already.
    expect(await storage.marks.get(BOT, ALICE, 'blocked')).toBeUndefined()
    await admin.acl('SETUSER', 'bot', ...given)
    await until('it is back', () => told.length > 1, 10_000)
    expect(connectionsIn(told)).toEqual(['lost', 'back'])
  })

  test('connects less and less often while it is refused', async () => {
    let attempts = 0
    let refuses = false
    const listener = new Redis(server.url, { lazyConnect: true, retryStrategy: () => null })
    const connection = {
      returned: () => undefined,
      failed: () => undefined,
      explained: (error: unknown) => error,
      run: async () => undefined,
      async listener() {
        attempts++
        if (refuses) throw LOST
        return listener
      },
    } as unknown as Connection
    const changes = new Changes(connection, 'sentinel:changes')
    await changes.watch((change) => told.push(change))
    refuses = true
    const passing = async (seconds: number): Promise<number> => {
      const before = attempts
      for (let tenth = 0; tenth < seconds * 10; tenth++) {
        jest.advanceTimersByTime(100)
        await settled()
      }
      return attempts - before
    }
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] })
    try {
      listener.disconnect()
      await new Promise((resolve) => listener.once('end', resolve))
      expect(await passing(5)).toBeGreaterThanOrEqual(5)
      expect(connectionsIn(told)).toEqual(['lost'])
      await passing(5)
      expect(await passing(50)).toBeLessThanOrEqual(10)
      // The server was away, and its return ends the pause.
      connection.returned()
      expect(await passing(1)).toBeGreaterThanOrEqual(3)
    } finally {
      jest.useRealTimers()
      changes.close()
    }
  })
})

describe('postgres(), when its pool is led to another server', () => {
  let servers: [PostgresServer, PostgresServer]
  let proxy: NetworkProxy
  let storage: Storage
  let told: StorageChange[]
  let schema: string
  beforeAll(async () => {
    servers = await Promise.all([startPostgres(), startPostgres()])
  }, 60_000)
  afterAll(async () => {
    for (const server of servers) await server.stop()
  })
  afterEach(async () => {
    jest.useRealTimers()
    await storage.close()
    await proxy.stop()
  })

  /** Leads the pool to the second server, until the condition holds. */
  async function moved(listen: string | undefined, holds: () => boolean | Promise<boolean>): Promise<void> {
    const [old, later] = servers
    schema = freshName('moved')
    proxy = await startProxy(old.port)
    storage = postgres(proxy.urlOf(old.url), { schema, ...(listen !== undefined && { listen }) })
    const there = postgres(later.url, { schema })
    await there.health()
    told = []
    await storage.watch((change) => told.push(change))
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'Date', 'performance'] })
    const admin = postgres(later.url, { schema })
    try {
      proxy.lead(later.port)
      const client = new Client(old.url)
      await client.connect()
      await client.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'grammy-sentinel' AND query !~ 'LISTEN'`,
      )
      await client.end()
      await until('what happens then', async () => {
        jest.advanceTimersByTime(1000)
        await admin.marks.put(BOT, 'blocked', [{ key: userKey(5), mark }])
        return holds()
      })
    } finally {
      jest.useRealTimers()
      await admin.close()
      await there.close()
    }
  }

  test('it listens to that server, too', async () => {
    await moved(undefined, () => told.some(({ kind }) => kind === 'marks'))
    expect(connectionsIn(told)[0]).toBe('back')
  })

  test('it tells listeners if "listen" leads to the former one', async () => {
    await moved(servers[0].url, () => connectionsIn(told).includes('lost'))
    expect(told).toEqual([{ kind: 'gap', lost: expect.objectContaining({ code: 'storage.unsupported' }) }])
  })
})

test('postgres() tries no longer when the only watch failed although the storage was renewed meanwhile', async () => {
  let attempts = 0
  let fail = (): void => undefined
  const link = {
    failure: (error: unknown) => error,
    listening: () => {
      attempts++
      return new Promise((_, reject) => {
        fail = () => reject(LOST)
      })
    },
  } as unknown as Link
  const changes = new PostgresChanges(link, () => undefined)
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] })
  try {
    const watching = changes.watch(() => undefined)
    changes.renew()
    fail()
    await expect(watching).rejects.toBe(LOST)
    for (let second = 0; second < 60; second++) {
      jest.advanceTimersByTime(1000)
      fail()
      await settled()
    }
    expect(attempts).toBe(1)
  } finally {
    jest.useRealTimers()
    changes.close()
  }
})
