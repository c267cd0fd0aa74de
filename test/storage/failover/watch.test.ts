import { SentinelError } from '../../../src/core/errors.js'
import type { StorageChange } from '../../../src/storage/contract/changes.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { hybrid } from '../../../src/storage/hybrid.js'
import type { Faulty } from '../faulty.js'
import { ALICE, askOf, BOT, blocked, bucket, isAdmitted, settled } from '../outage.js'
import { pair } from './pair.js'

/* failover() over storages of which one does not report changes. Listeners must know whether the one in use does. */

const LOST = new SentinelError('storage.permission', 'The user lacks the channel.')

type Pair = ReturnType<typeof pair>

/** Watches it, and returns whether changes are received, as told by each gap. */
async function watchedBy({ storage }: { readonly storage: Storage }): Promise<boolean[]> {
  const told: boolean[] = []
  await storage.watch((change: StorageChange) => {
    if (change.kind === 'gap') told.push(change.lost === undefined)
  })
  await settled()
  return told
}

/** Makes the storage refuse to be watched, until the returned function is called. */
function unwatchable(storage: Faulty): () => void {
  const { watch } = storage
  storage.watch = async () => {
    throw LOST
  }
  return () => {
    storage.watch = watch
  }
}

async function goDown({ first, storage, pass }: Pair): Promise<void> {
  first.fault = 'refuses'
  for (let i = 0; i < 5; i++) await storage.marks.get(BOT, ALICE, 'blocked')
  await pass(50)
}

async function comeBack({ first, pass }: Pair): Promise<void> {
  first.fault = 'none'
  await pass(2000)
}

test('a move to a storage whose changes are lost says so', async () => {
  const two = pair()
  const told = await watchedBy(two)
  two.second.gap(LOST)
  expect(told).toEqual([])
  await goDown(two)
  expect(told).toEqual([false])
  two.second.gap()
  expect(told).toEqual([false, true])
  two.first.fault = 'none'
  await two.storage.close()
})

test('a move back to a storage whose changes are still lost says so', async () => {
  const two = pair()
  const told = await watchedBy(two)
  two.first.gap(LOST)
  await goDown(two)
  await comeBack(two)
  expect(told).toEqual([false, true, false])
  two.first.fault = 'none'
  await two.storage.close()
})

test('a move to a storage that cannot be watched says so, and tells when it can be', async () => {
  const two = pair()
  const allow = unwatchable(two.second)
  const told = await watchedBy(two)
  await goDown(two)
  expect(told).toEqual([false])
  allow()
  await comeBack(two)
  await goDown(two)
  expect(told).toEqual([false, true, true])
  two.first.fault = 'none'
  await two.storage.close()
})

test('listeners are told if the storage in use cannot be watched, also those that come later', async () => {
  const two = pair()
  unwatchable(two.first)
  expect(await watchedBy(two)).toEqual([false])
  expect(await watchedBy(two)).toEqual([false])
  two.first.fault = 'none'
  await two.storage.close()
})

test('hybrid() in front does not let blocked users pass by a lease after such a move', async () => {
  const two = pair()
  const { clock, timers } = two.time
  const lease = { limits: ['all'], batch: 32, for: '1s' } as const
  const worker = hybrid(two.storage, { clock, timers, lease })
  const limit = { amount: 100, per: 1000, burst: 1000 }
  const all = bucket(0, { slot: 'throttle.all', limit } as object)
  const judge = await worker.prepare({ name: 'chain', scopes: ['user'], checks: [blocked, all] })
  await settled()
  two.second.deaf = true
  two.second.gap(LOST)
  await goDown(two)
  expect((await worker.health()).hybrid?.watching).toBe(false)
  for (let i = 0; i < 20; i++) {
    await judge.evaluate(askOf())
    await settled()
  }
  await two.second.kept.marks.put(BOT, 'blocked', [{ key: ALICE, mark: { since: 1 } }])
  for (let i = 0; i < 5; i++) {
    expect(isAdmitted(await judge.evaluate(askOf()))).toBe(false)
    await settled()
  }
  two.first.fault = 'none'
  await worker.close()
})

test('hybrid() made after the loss does not count as watching', async () => {
  const two = pair()
  await watchedBy(two)
  two.first.gap(LOST)
  const { clock, timers } = two.time
  const worker = hybrid(two.storage, { clock, timers })
  await worker.prepare({ name: 'chain', scopes: ['user'], checks: [blocked] })
  await settled()
  expect((await worker.health()).hybrid?.watching).toBe(false)
  two.first.fault = 'none'
  await worker.close()
})
