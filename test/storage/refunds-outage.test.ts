import type { Judge, Receipt } from '../../src/core/check.js'
import { userKey } from '../../src/core/subject.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { postgres } from '../../src/storage/postgres/index.js'
import { makeResilient } from '../../src/storage/protection/make-resilient.js'
import { redis } from '../../src/storage/redis/index.js'
import { startPostgres } from '../servers/postgres.js'
import { startProxy } from '../servers/proxy.js'
import { startRedis } from '../servers/redis.js'
import { until } from '../servers/until.js'
import { askOf, bucket, claim, isAdmitted, planOf } from './outage.js'

const PLAN = planOf(claim({ lease: 60_000 }), bucket(1))
const USERS = Array.from({ length: 8 }, (_, i) => userKey(100 + i))
/** Longer than a test: pending calls do not time out. */
const NEVER_MIND = 600_000

interface Desk {
  readonly storage: Storage
  readonly judge: Judge
  readonly receipts: readonly Receipt[]
}

/** All users have used up their limit in the storage. */
async function stand(inner: Storage): Promise<Desk> {
  const storage = makeResilient(inner, { timeout: NEVER_MIND })
  const judge = await storage.prepare(PLAN)
  await storage.health()
  const receipts: Receipt[] = []
  for (const user of USERS) {
    const { receipt } = await judge.evaluate(askOf(user, [1]))
    receipts.push(receipt as Receipt)
  }
  expect((await storage.health()).circuit?.instead).toBe(0)
  return { storage, judge, receipts }
}

/** The number of users whose update passes: the update they sent before (1), or another one. */
async function passing(judge: Judge, token: number): Promise<number> {
  let passed = 0
  for (const user of USERS) if (isAdmitted(await judge.evaluate(askOf(user, [token])))) passed++
  return passed
}

let probe = 0
/** The number of settlements that wait, and that were dropped. */
async function told(storage: Storage): Promise<{ waiting: number; dropped: number }> {
  const { waiting, dropped } = (await storage.health()).circuit ?? {}
  return { waiting: waiting?.settlements ?? 0, dropped: dropped?.settlements ?? 0 }
}

async function isTold(storage: Storage, judge: Judge): Promise<void> {
  await until('all of it is told', async () => {
    await judge.evaluate(askOf(userKey(1), [++probe]))
    return (await storage.health()).ok && (await told(storage)).waiting === 0
  })
}

const servers = [
  {
    kind: 'redis',
    start: () => startRedis({ appendOnly: true }),
    storageOf: (url: string): Storage => redis(url),
  },
  { kind: 'postgres', start: () => startPostgres(), storageOf: (url: string): Storage => postgres(url) },
]

describe.each(servers)('settlements while $kind is down', ({ start, storageOf }) => {
  test('are sent when it is back, beginning with the first that failed, and once', async () => {
    const server = await start()
    const proxy = await startProxy(server.port)
    const inner = storageOf(proxy.urlOf(server.url))
    const { storage, judge, receipts } = await stand(inner)
    try {
      proxy.refuse()
      proxy.cut()
      // Each call may use another connection of the pool that is not known to be lost.
      for (let calls = 0; calls < 6; calls++) {
        await until('a connection is gone', async () => !(await inner.health()).ok)
      }
      // The outage has not been detected yet.
      expect((await storage.health()).circuit?.state).toBe('closed')
      for (const receipt of receipts) {
        await judge.settle(receipt, 'refund')
        await judge.settle(receipt, 'release')
      }
      expect(await told(storage)).toEqual({ waiting: 2 * USERS.length, dropped: 0 })
      await proxy.normal()
      await isTold(storage, judge)
      expect(await told(storage)).toEqual({ waiting: 0, dropped: 0 })
      // Released updates pass without a new charge. Each limit was refunded once, so one other update passes.
      expect([await passing(judge, 1), await passing(judge, 2), await passing(judge, 3)]).toEqual([8, 8, 0])
    } finally {
      await Promise.allSettled([storage.close()])
      await proxy.stop()
      await server.stop()
    }
  })
})

test('settlements are sent after several kinds of them have failed together, and none is lost', async () => {
  const server = await startRedis({ appendOnly: true })
  const proxy = await startProxy(server.port)
  const inner = redis(proxy.urlOf(server.url))
  const { storage, judge, receipts } = await stand(inner)
  try {
    proxy.refuse()
    proxy.cut()
    await until('its connections are gone', async () => !(await inner.health()).ok)
    for (const receipt of receipts) {
      await judge.settle(receipt, 'refund')
      await Promise.all([judge.settle(receipt, 'release'), judge.settle(receipt, 'refund')])
    }
    await proxy.normal()
    await isTold(storage, judge)
    expect(await told(storage)).toEqual({ waiting: 0, dropped: 0 })
    expect([await passing(judge, 1), await passing(judge, 2), await passing(judge, 3)]).toEqual([8, 8, 0])
  } finally {
    await Promise.allSettled([storage.close()])
    await proxy.stop()
    await server.stop()
  }
})

test('a refund that may have taken effect is not repeated, and counted as lost', async () => {
  const server = await startRedis()
  const proxy = await startProxy(server.port)
  const { storage, judge, receipts } = await stand(redis(proxy.urlOf(server.url)))
  try {
    proxy.blackHole()
    const settled = receipts.flatMap((receipt) => [
      judge.settle(receipt, 'refund'),
      judge.settle(receipt, 'release'),
    ])
    await new Promise((done) => setImmediate(done))
    proxy.cut()
    await Promise.all(settled)
    await proxy.normal()
    await isTold(storage, judge)
    // Releases are sent again, as their claims prevent a double effect; a repeated refund could add a unit too much.
    expect(await told(storage)).toEqual({ waiting: 0, dropped: USERS.length })
    await judge.settle(receipts[0] as Receipt, 'refund')
    expect([await passing(judge, 1), await passing(judge, 2)]).toEqual([8, 0])
  } finally {
    await Promise.allSettled([storage.close()])
    await proxy.stop()
    await server.stop()
  }
})
