import { jest } from '@jest/globals'
import type { StorageChange } from '../../src/storage/contract/changes.js'
import { postgres } from '../../src/storage/postgres/index.js'
import { Changes as RedisChanges } from '../../src/storage/redis/changes.js'
import type { Connection } from '../../src/storage/redis/connection.js'
import { reasonOf } from '../../src/storage/resilient/reason.js'
import { type NetworkProxy, startProxy } from '../servers/proxy.js'
import { freshName, sharedPostgres } from '../servers/shared.js'
import { until } from '../servers/until.js'
import { pair } from './failover/pair.js'
import { ALICE, askOf, BOB, BOT, blocked, isAdmitted, type Outage, outage, settled } from './outage.js'

/* A storage neither begins to report changes nor refuses to: its server accepts the connection and does not answer. */

const mark = { since: 1 }
const FAKED: Parameters<typeof jest.useFakeTimers>[0] = {
  doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'Date', 'performance'],
}

/** What a listener has been told about its connection. */
const connectionsIn = (told: readonly StorageChange[]): string[] =>
  told.flatMap((change) => (change.kind === 'gap' ? [change.lost === undefined ? 'back' : 'lost'] : []))

describe('a storage whose watch hangs', () => {
  let stage: Outage
  let watches: ((stop: () => void) => void)[]
  beforeEach(() => {
    stage = outage()
    watches = []
    stage.remote.watch = () => new Promise((resolve) => watches.push(resolve))
  })
  afterEach(() => stage.storage.close())

  test('is copied every 30 seconds, so that new blocks hold while it is down', async () => {
    const judge = await stage.judgeOf(blocked)
    await judge.evaluate(askOf(BOB))
    await stage.pass(20_000)
    await stage.remote.kept.marks.put(BOT, 'blocked', [{ key: ALICE, mark }])
    const readings = (): number => stage.remote.asked.filter((what) => what === 'marks.scan').length
    const before = readings()
    await stage.pass(60_000)
    expect(readings() - before).toBe(2)
    await stage.goDown(judge)
    expect(isAdmitted(await judge.evaluate(askOf(ALICE)))).toBe(false)
    stage.remote.fault = 'none'
  })

  test('is not counted as watched by listeners, and health() has the reason', async () => {
    const told: StorageChange[] = []
    await stage.storage.watch((change) => told.push(change))
    await stage.pass(20_000)
    expect(connectionsIn(told)).toEqual(['lost'])
    const { circuit } = await stage.storage.health()
    expect(circuit).toMatchObject({
      reason: 'storage.unavailable',
      message: expect.stringMatching(/^watch: /),
    })
  })

  test('is asked to stop if it begins to report after all, since it was asked anew', async () => {
    const told: StorageChange[] = []
    await stage.storage.watch((change) => told.push(change))
    await stage.pass(46_000)
    expect(watches).toHaveLength(2)
    const stop = jest.fn()
    watches[0]?.(stop)
    await settled()
    expect(stop).toHaveBeenCalledTimes(1)
    watches[1]?.(stop)
    await settled()
    expect(stop).toHaveBeenCalledTimes(1)
    expect(connectionsIn(told).at(-1)).toBe('back')
    expect((await stage.storage.health()).circuit?.reason).toBeUndefined()
  })

  // A rejection that nothing handles would end a bot; here it fails the test.
  test('does no harm if it begins to report after all and then fails to stop', async () => {
    await stage.storage.watch(() => undefined)
    await stage.pass(20_000)
    watches[0]?.(() => {
      throw new Error('It cannot be stopped.')
    })
    await settled()
  })

  test('is not counted as watched by failover() either', async () => {
    const two = pair()
    two.first.watch = () => new Promise(() => undefined)
    const told: StorageChange[] = []
    await two.storage.watch((change) => told.push(change))
    await two.pass(20_000)
    expect(connectionsIn(told)).toEqual(['lost'])
    await two.storage.close()
  })
})

describe('postgres(), if the server of its option "listen" accepts connections and does not answer,', () => {
  let url: string
  let proxy: NetworkProxy
  beforeAll(async () => {
    url = await sharedPostgres()
  }, 30_000)
  beforeEach(async () => {
    proxy = await startProxy(Number(new URL(url).port))
  })
  afterEach(() => proxy.stop())

  const advancing = (what: string, holds: () => boolean): Promise<void> =>
    until(
      what,
      () => {
        jest.advanceTimersByTime(500)
        return holds()
      },
      10_000,
    )

  test('refuses to be watched, and leaves no connection open', async () => {
    const storage = postgres(url, { schema: freshName('hanging'), listen: proxy.urlOf(url) })
    await storage.health()
    proxy.blackHole()
    jest.useFakeTimers(FAKED)
    try {
      let failure: unknown
      Promise.resolve(storage.watch(() => undefined)).catch((error: unknown) => {
        failure = error
      })
      await advancing('it is refused', () => failure !== undefined)
      expect(failure).toMatchObject({ code: 'storage.unavailable' })
      // All other calls are answered, so health() must not report the storage as disconnected.
      expect(reasonOf(failure)).toBe('storage.unavailable')
      await proxy.normal()
      await advancing('nothing is open', () => proxy.open === 0)
    } finally {
      jest.useRealTimers()
      await storage.close()
    }
  })

  test('tells listeners that changes are lost, and that they are received again', async () => {
    const storage = postgres(url, { schema: freshName('hanging'), listen: proxy.urlOf(url) })
    const told: StorageChange[] = []
    await storage.watch((change) => told.push(change))
    jest.useFakeTimers(FAKED)
    try {
      proxy.blackHole()
      proxy.cut()
      await advancing('the loss is told', () => connectionsIn(told).includes('lost'))
      expect(told).toEqual([{ kind: 'gap', lost: expect.objectContaining({ code: 'storage.unavailable' }) }])
      await proxy.normal()
      await advancing('it is back', () => connectionsIn(told).includes('back'))
    } finally {
      jest.useRealTimers()
      await storage.close()
    }
  })
})

test('redis() tells listeners that changes are lost if a new connection is neither made nor refused', async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] })
  const ends: (() => void)[] = []
  let hangs = false
  const disconnected = jest.fn()
  const connection = {
    returned: () => undefined,
    failed: () => undefined,
    explained: (error: unknown) => error,
    run: async () => undefined,
    listener: async () => ({
      status: 'ready',
      on: (event: string, run: () => void) => event === 'end' && ends.push(run),
      connect: () => (hangs ? new Promise(() => undefined) : Promise.resolve()),
      subscribe: async (channel: string) => {
        if (channel !== 'sentinel:changes') throw new Error('The user lacks the channel of its own.')
      },
      ping: async () => 'PONG',
      disconnect: disconnected,
    }),
  } as unknown as Connection
  const changes = new RedisChanges(connection, 'sentinel:changes')
  const told: StorageChange[] = []
  try {
    await changes.watch((change) => told.push(change))
    hangs = true
    ends[0]?.()
    for (let second = 0; second < 10; second++) {
      jest.advanceTimersByTime(1000)
      await settled()
    }
    expect(connectionsIn(told)).toEqual(['lost'])
    // What hangs is not left to itself.
    expect(disconnected).toHaveBeenCalled()
    hangs = false
    for (let second = 0; second < 10; second++) {
      jest.advanceTimersByTime(1000)
      await settled()
    }
    expect(connectionsIn(told)).toEqual(['lost', 'back'])
  } finally {
    jest.useRealTimers()
    changes.close()
  }
})
