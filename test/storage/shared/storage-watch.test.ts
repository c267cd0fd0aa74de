import { jest } from '@jest/globals'
import type { MaybePromise } from '../../../src/core/check.js'
import { SentinelError } from '../../../src/core/errors.js'
import type { ChangeListener, StorageChange } from '../../../src/storage/contract/changes.js'
import { StorageWatch } from '../../../src/storage/shared/storage-watch.js'

const LOST = new SentinelError('storage.unavailable', 'It receives no changes.')
const RESET: StorageChange = { kind: 'reset', bot: 42, key: 'user 1' as never }

/** A storage whose watch ends as the test says, and what a watch of it has reported. */
function watched() {
  const asked: {
    listener: ChangeListener
    begin: (unwatch: () => void) => void
    fail: (error: unknown) => void
  }[] = []
  const told: unknown[] = []
  const watch = new StorageWatch(
    (listener) =>
      new Promise<() => void>((begin, fail) => {
        asked.push({ listener, begin, fail })
      }),
    {
      heard: (change) => told.push(change),
      begun: (lost) => told.push(['begun', lost]),
      failed: (error) => told.push(['failed', error]),
    },
  )
  return { asked, told, watch }
}

const settled = (): Promise<void> => new Promise((done) => setImmediate(done))

test('a storage is watched once, also while it has not answered', async () => {
  const { asked, told, watch } = watched()
  watch.start()
  watch.start()
  const unwatch = jest.fn()
  asked[0]?.begin(unwatch)
  await settled()
  watch.start()
  asked[0]?.listener(RESET)
  expect(asked).toHaveLength(1)
  expect(told).toEqual([['begun', undefined], RESET])
  watch.stop()
  expect(unwatch).toHaveBeenCalledTimes(1)
})

test('a storage that answers at once is watched at once', () => {
  const told: unknown[] = []
  const begin = (answer: () => MaybePromise<() => void>) =>
    new StorageWatch(answer, {
      heard: () => undefined,
      begun: () => told.push('begun'),
      failed: (error) => told.push(error),
    }).start()
  begin(() => () => undefined)
  expect(told).toEqual(['begun'])
  const broken = new Error('It cannot be watched.')
  begin(() => {
    throw broken
  })
  expect(told).toEqual(['begun', broken])
})

test('after a failure, a storage is watched again when it is asked for', async () => {
  const { asked, told, watch } = watched()
  const error = new Error('no connection')
  watch.start()
  asked[0]?.fail(error)
  await settled()
  expect(asked).toHaveLength(1)
  watch.start()
  asked[1]?.begin(() => undefined)
  await settled()
  expect(told).toEqual([
    ['failed', error],
    ['begun', undefined],
  ])
})

test('what a storage says of its connection before the watch begins holds when it begins', async () => {
  const { asked, told, watch } = watched()
  watch.start()
  asked[0]?.listener({ kind: 'gap', lost: LOST })
  asked[0]?.begin(() => undefined)
  await settled()
  expect(told.at(-1)).toEqual(['begun', LOST])
})

test('a connection that is back before the watch begins is not lost', async () => {
  const { asked, told, watch } = watched()
  watch.start()
  asked[0]?.listener({ kind: 'gap', lost: LOST })
  asked[0]?.listener({ kind: 'gap' })
  asked[0]?.begin(() => undefined)
  await settled()
  expect(told.at(-1)).toEqual(['begun', undefined])
})

test('an earlier loss says nothing about a new watch', async () => {
  const { asked, told, watch } = watched()
  watch.start()
  asked[0]?.listener({ kind: 'gap', lost: LOST })
  asked[0]?.fail(LOST)
  await settled()
  watch.start()
  asked[1]?.begin(() => undefined)
  await settled()
  expect(told.at(-1)).toEqual(['begun', undefined])
})

test('a watch that begins after the end is stopped, and none begins anew', async () => {
  const { asked, told, watch } = watched()
  watch.start()
  watch.stop()
  const unwatch = jest.fn()
  asked[0]?.begin(unwatch)
  await settled()
  expect(unwatch).toHaveBeenCalledTimes(1)
  watch.start()
  expect(asked).toHaveLength(1)
  expect(told).toEqual([])
})
