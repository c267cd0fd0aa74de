import { jest } from '@jest/globals'
import type { SentinelError } from '../../../src/core/errors.js'
import { redis } from '../../../src/storage/redis/index.js'
import { startCluster } from '../../servers/cluster.js'
import { freePort } from '../../servers/ports.js'
import { startProxy } from '../../servers/proxy.js'
import { freshName, sharedRedis } from '../../servers/shared.js'
import { Stopwatch } from '../../servers/stopwatch.js'
import { until } from '../../servers/until.js'
import { settled } from '../outage.js'
import { ALICE, admits, askOf, BOT, bucket, claim, planOf } from './desk.js'

const PLAN = planOf(claim({ retry: true, lease: 60_000, holdFor: 3_600_000 }), bucket(1000, 3_600_000))

async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work()
    return 'done'
  } catch (error) {
    return (error as SentinelError).code
  }
}

/** The resources that would keep a process from ending, by kind. */
function held(): Record<string, number> {
  const kinds: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) kinds[kind] = (kinds[kind] ?? 0) + 1
  return { timers: kinds.Timeout ?? 0, sockets: kinds.TCPSocketWrap ?? 0 }
}

test('after close(), every method rejects with storage.closed', async () => {
  const storage = redis(await sharedRedis(), { prefix: freshName() })
  const judge = await storage.prepare(PLAN)
  const { receipt } = await judge.evaluate(askOf(ALICE, [1]))
  if (receipt === undefined) throw new Error('there is no receipt')
  const { marks, users, values } = storage
  await Promise.all([storage.close(), storage.close()])
  await storage.close()
  const works: Record<string, () => unknown> = {
    evaluate: () => judge.evaluate(askOf()),
    peek: () => judge.peek(askOf()),
    settle: () => judge.settle(receipt, 'complete'),
    prepare: () => storage.prepare(PLAN),
    watch: () => storage.watch(() => undefined),
    reset: () => storage.reset(BOT, ALICE),
    'marks.get': () => marks.get(BOT, ALICE, 'x'),
    'marks.put': () => marks.put(BOT, 'x', [{ key: ALICE, mark: { since: 1 } }]),
    'users.get': () => users.get(BOT, ALICE),
    'values.put': () => values.put('space', 'key', 1),
  }
  const codes: string[] = []
  for (const [name, work] of Object.entries(works)) codes.push(`${name}: ${await codeOf(work)}`)
  expect(codes).toEqual(Object.keys(works).map((name) => `${name}: storage.closed`))
  expect(await storage.health()).toMatchObject({ ok: false, kind: 'redis' })
})

test('a call that waits until the client connects anew rejects with storage.closed', async () => {
  const waits = jest.fn(() => 60_000)
  const storage = redis({ host: '127.0.0.1', port: await freePort(), retryStrategy: waits })
  expect(await codeOf(() => storage.marks.get(BOT, ALICE, 'x'))).toBe('storage.failed')
  await settled()
  expect(waits).toHaveBeenCalled()
  const call = codeOf(() => storage.marks.get(BOT, ALICE, 'x'))
  // Until it waits.
  await settled()
  await storage.close()
  expect(await call).toBe('storage.closed')
})

test('a call that waits until a cluster connects anew rejects with storage.closed', async () => {
  const codes: string[] = []
  // At different moments of the attempts to connect.
  for (let turns = 0; turns < 200; turns += 20) {
    const storage = redis([`redis://127.0.0.1:${await freePort()}`])
    await codeOf(() => storage.marks.get(BOT, ALICE, 'x'))
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate)
    let isWaiting = true
    const call = codeOf(() => storage.marks.get(BOT, ALICE, 'x')).finally(() => {
      isWaiting = false
    })
    await new Promise(setImmediate)
    const waited = isWaiting
    await storage.close()
    const code = await call
    // Others have failed by themselves, since nothing answers.
    if (waited) codes.push(code)
  }
  expect(new Set(codes)).toEqual(new Set(['storage.closed']))
})

test('calls that wait for an answer or in the queue reject with storage.closed, under any plan', async () => {
  const url = await sharedRedis()
  const proxy = await startProxy(Number(new URL(url).port))
  const storage = redis(proxy.urlOf(url), { prefix: freshName() })
  const first = await storage.prepare(PLAN)
  const second = await storage.prepare(planOf(bucket(7, 3_600_000)))
  await Promise.all([admits(first), admits(second)])
  proxy.blackHole()
  const asks = Array.from({ length: 2000 }, (_, nth) =>
    codeOf(() => (nth % 2 === 0 ? first : second).evaluate(askOf())),
  )
  asks.push(codeOf(() => storage.marks.get(BOT, ALICE, 'x')))
  await new Promise(setImmediate)
  const watch = new Stopwatch()
  await storage.close()
  expect(new Set(await Promise.all(asks))).toEqual(new Set(['storage.closed']))
  watch.stop()
  expect(watch.passed).toBeLessThan(1000)
  await proxy.normal()
  await until('the proxy has no connection left', () => proxy.open === 0)
  await proxy.stop()
})

test('prepare() rejects if the storage is closed while it connects', async () => {
  const storage = redis(await sharedRedis())
  const preparing = codeOf(() => storage.prepare(PLAN))
  await storage.close()
  expect(await preparing).toBe('storage.closed')
})

test('nothing keeps the process alive after close()', async () => {
  const url = await sharedRedis()
  const before = held()
  const storages = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const storage = redis(url, { prefix: freshName() })
      await storage.watch(() => undefined)
      expect(await admits(await storage.prepare(PLAN), askOf(ALICE, [1]))).toBe(true)
      return storage
    }),
  )
  expect(held().sockets).toBeGreaterThan(before.sockets as number)
  for (const storage of storages) await storage.close()
  await until(
    'all is as before',
    () => {
      const { timers, sockets } = held()
      return (
        (timers as number) <= (before.timers as number) + 1 &&
        (sockets as number) <= (before.sockets as number)
      )
    },
    3000,
  )
})

test('of a cluster, too', async () => {
  const cluster = await startCluster()
  const before = held()
  const storage = redis(cluster.urls)
  await storage.watch(() => undefined)
  const judge = await storage.prepare(PLAN)
  expect(await admits(judge, askOf(ALICE, [1]))).toBe(true)
  await storage.close()
  await storage.close()
  expect(await codeOf(() => judge.evaluate(askOf()))).toBe('storage.closed')
  await until(
    'all is as before',
    () => {
      const { timers, sockets } = held()
      return (
        (timers as number) <= (before.timers as number) + 1 &&
        (sockets as number) <= (before.sockets as number)
      )
    },
    3000,
  )
  await cluster.stop()
})

test('a settlement that did not arrive may be repeated, and a refund is made at most once', async () => {
  const url = await sharedRedis()
  const prefix = freshName()
  const proxy = await startProxy(Number(new URL(url).port))
  const storage = redis(proxy.urlOf(url), { prefix })
  const judge = await storage.prepare(PLAN)
  const { receipt } = await judge.evaluate(askOf(ALICE, [1]))
  if (receipt === undefined) throw new Error('there is no receipt')
  proxy.refuse()
  proxy.cut()
  await until('it is known to be away', async () => !(await storage.health()).ok)
  expect(await codeOf(() => judge.settle(receipt, 'release'))).toBe('storage.failed')
  await proxy.normal()
  await until('it is back', async () => (await storage.health()).ok)
  await judge.settle(receipt, 'release')
  // Released, the claim can be taken once more.
  expect(await admits(judge, askOf(ALICE, [1]))).toBe(true)
  expect(await admits(judge, askOf(ALICE, [1]))).toBe(false)
  await judge.settle(receipt, 'refund', 1)
  await judge.settle(receipt, 'refund', 1)
  // Without what this peek itself would take.
  const { remaining } = await judge.peek(askOf(ALICE, [2]))
  expect(Math.round(remaining[1] as number)).toBe(999)
  await storage.close()
  await proxy.stop()
})
