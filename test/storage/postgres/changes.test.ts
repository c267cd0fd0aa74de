import { jest } from '@jest/globals'
import type { Client } from 'pg'
import { userKey } from '../../../src/core/subject.js'
import type { StorageChange } from '../../../src/storage/contract/changes.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { Link, type Listening } from '../../../src/storage/postgres/link.js'
import { startProxy } from '../../servers/proxy.js'
import { until } from '../../servers/until.js'
import { open, url, useSchemas } from './desk.js'

/* The connection over which a worker receives changes. */

useSchemas('hear')

/** Records the listening connections, and how often each was closed. */
function listened(before: () => Promise<void> = async () => undefined) {
  const made: (Listening & { closed: number })[] = []
  const { listening } = Link.prototype
  jest.spyOn(Link.prototype, 'listening').mockImplementation(async function (this: Link) {
    await before()
    const { client, close } = await listening.call(this)
    const own = {
      client,
      closed: 0,
      close: () => {
        own.closed++
        close()
      },
    }
    made.push(own)
    return own
  })
  return made
}

const SECOND = 1000
/** All timers but those of the heartbeat. */
const OTHER_TIMERS = [
  'Date',
  'hrtime',
  'nextTick',
  'performance',
  'queueMicrotask',
  'setImmediate',
  'clearImmediate',
  'setTimeout',
  'clearTimeout',
] as const

const touch = async (storage: Storage): Promise<void> =>
  storage.marks.put(42, 'blocked', [{ key: userKey(7), mark: { since: 1 } }])

afterEach(() => {
  jest.useRealTimers()
  jest.restoreAllMocks()
})

test('a late error of a connection that was replaced does not close its successor', async () => {
  const made = listened()
  const told: StorageChange[] = []
  const stop = await open().watch((change) => told.push(change))
  made[0]?.client.emit('error', new Error('lost'))
  await until('it listens again', () => told.length > 0)
  made[0]?.client.emit('error', new Error('lost once more'))
  expect(made.map(({ closed }) => closed)).toEqual([1, 0])
  stop()
  expect(made.map(({ closed }) => closed)).toEqual([1, 1])
})

test('a connection that is made again is closed if nobody watches any longer', async () => {
  let asked = 0
  let go: () => void = () => undefined
  const held = new Promise<void>((resolve) => {
    go = resolve
  })
  const made = listened(async () => {
    if (++asked > 1) await held
  })
  const stop = await open().watch(() => undefined)
  made[0]?.client.emit('error', new Error('lost'))
  await until('it connects again', () => asked === 2)
  stop()
  go()
  await until('it is closed', () => made[1]?.closed === 1)
})

test('a connection that is made too late does not replace the one of a later listener', async () => {
  let asked = 0
  let go: () => void = () => undefined
  const held = new Promise<void>((resolve) => {
    go = resolve
  })
  const made = listened(async () => {
    if (++asked === 2) await held
  })
  const storage = open()
  const stop = await storage.watch(() => undefined)
  made[0]?.client.emit('error', new Error('lost'))
  await until('it connects again', () => asked === 2)
  stop()
  const told: StorageChange[] = []
  const stopLater = await storage.watch((change) => told.push(change))
  go()
  await until('the late one is closed', () => made[2]?.closed === 1)
  await touch(storage)
  await until('the other one still hears changes', () => told.length > 0)
  stopLater()
  expect(made.map(({ closed }) => closed)).toEqual([1, 1, 1])
})

describe('a connection over which nothing arrives', () => {
  test.each(['the pool of the storage', 'the option "listen"'])(
    'is noticed and replaced, and the listeners are told that changes were missed: %s',
    async (from) => {
      const proxy = await startProxy(Number(new URL(url).port))
      jest.useFakeTimers({ doNotFake: [...OTHER_TIMERS] })
      const [near, far] =
        from === 'the option "listen"'
          ? [open({ listen: proxy.urlOf(url) }), open()]
          : [open({}, proxy.urlOf(url)), open()]
      try {
        const told: string[] = []
        await near.watch(({ kind }) => told.push(kind))
        const { accepted } = proxy
        proxy.blackHole()
        await touch(far)
        jest.advanceTimersByTime(5 * SECOND)
        expect(proxy.accepted).toBe(accepted)
        jest.advanceTimersByTime(5 * SECOND)
        await until('another one is opened', () => proxy.accepted > accepted)
        expect(told).toEqual([])
        await proxy.normal()
        await until('the gap is told', () => told.includes('gap'))
        expect(told).toEqual(['gap'])
        await touch(far)
        await until('a change is told', () => told.length > 1)
        expect(told).toEqual(['gap', 'marks'])
      } finally {
        jest.useRealTimers()
        await near.close()
        await proxy.stop()
      }
    },
  )

  test('does not harm its successor by a question that is still open', async () => {
    const made = listened()
    jest.useFakeTimers({ doNotFake: [...OTHER_TIMERS] })
    const told: string[] = []
    const storage = open()
    await storage.watch(({ kind }) => told.push(kind))
    const client: { query: unknown } = made[0]?.client as Client
    client.query = () => new Promise(() => undefined)
    jest.advanceTimersByTime(5 * SECOND)
    made[0]?.client.emit('error', new Error('lost'))
    await until('it listens again', () => told.length > 0)
    const asked = jest.spyOn(made[1]?.client as Client, 'query')
    for (let beat = 1; beat <= 4; beat++) {
      jest.advanceTimersByTime(5 * SECOND)
      expect(asked).toHaveBeenCalledTimes(beat)
      await asked.mock.results.at(-1)?.value
    }
    await touch(storage)
    await until('the change is told', () => told.length > 1)
    expect(told).toEqual(['gap', 'marks'])
    expect(made.map(({ closed }) => closed)).toEqual([1, 0])
  })

  test('is not asked any longer once nobody watches', async () => {
    const made = listened()
    jest.useFakeTimers({ doNotFake: [...OTHER_TIMERS] })
    const stop = await open().watch(() => undefined)
    const asked = jest.spyOn(made[0]?.client as Client, 'query')
    stop()
    jest.advanceTimersByTime(20 * SECOND)
    expect(asked).not.toHaveBeenCalled()
    expect(made.map(({ closed }) => closed)).toEqual([1])
  })
})
