import { jest } from '@jest/globals'
import { userKey } from '../../../src/core/subject.js'
import type { StorageChange } from '../../../src/storage/contract/changes.js'
import { Link, type Listening } from '../../../src/storage/postgres/link.js'
import { until } from '../../servers/until.js'
import { open, useSchemas } from './desk.js'

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

afterEach(() => jest.restoreAllMocks())

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
  await storage.marks.put(42, 'blocked', [{ key: userKey(7), mark: { since: 1 } }])
  await until('the other one still hears changes', () => told.length > 0)
  stopLater()
  expect(made.map(({ closed }) => closed)).toEqual([1, 1, 1])
})
