import { userKey } from '../../src/core/subject.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { failover } from '../../src/storage/failover.js'
import { type HybridOptions, hybrid, type LeasingOptions } from '../../src/storage/hybrid.js'
import { memory } from '../../src/storage/memory/memory.js'
import { redis } from '../../src/storage/redis/index.js'
import { freshName } from '../servers/shared.js'
import { having } from '../storage/audited.js'
import { type Fault, type Faulty, faulty } from '../storage/faulty.js'
import type { Town } from './town.js'

/** What the workers of a story store their state in. */
export interface Store {
  /** The storage of a worker: one for all, or one each in front of a storage that they share. */
  readonly storageOf: (worker: number) => Storage
  /** The storage behind them, if it can fail on demand. */
  readonly failing?: Faulty
  /** Whether another storage decides exactly while that one fails. */
  readonly hasSecond?: true
  /** Whether refusals may be repeated without asking the storage, and therefore named otherwise. */
  readonly repeatsRefusals?: true
  /** Whether the storages have timers of their own. */
  readonly isRemote: boolean
  close(): Promise<void>
}

export type StoreOf = (town: Town) => Store

function sharedBy(storage: Storage, rest: Partial<Store> = {}): Store {
  const isRemote = storage.remote === true
  return { storageOf: () => storage, isRemote, close: async () => storage.close(), ...rest }
}

export const inMemory: StoreOf = ({ now }) => sharedBy(memory({ clock: now }))

/** A remote storage that fails when the story says so. */
export const failing: StoreOf = ({ now, timers }) => {
  const storage = faulty(now, timers)
  return sharedBy(storage, { failing: storage })
}

/** A real Redis; each story has keys of its own. */
export const onRedis =
  (url: string): StoreOf =>
  (town) => {
    const storage = redis(url, { prefix: freshName('story'), clock: town.now })
    town.settled = () => answered(storage)
    return sharedBy(storage)
  }

/** Answers come in the order of the questions, so once this one is answered, all earlier questions are. */
async function answered(storage: Storage): Promise<void> {
  for (let trip = 0; trip < 3; trip++) await storage.health()
}

/** A memory for each worker, in front of a remote storage that they share. */
export const hybridOverFake: StoreOf = (town) => overFake(town)

/** Workers that take units of limits in batches. */
export const leasedOverFake =
  (lease: LeasingOptions): StoreOf =>
  (town) =>
    overFake(town, lease)

function overFake(town: Town, lease?: LeasingOptions): Store {
  const remote = faulty(town.now, town.timers)
  return hybridOver(
    town,
    lease,
    () => having(remote, { close: () => undefined }),
    async () => remote.close(),
  )
}

/** The same with a real Redis, to which each worker has connections of its own. */
export const hybridOverRedis =
  (url: string, lease?: LeasingOptions): StoreOf =>
  (town) => {
    const prefix = freshName('story')
    const opened: Storage[] = []
    const store = hybridOver(town, lease, () => {
      const storage = redis(url, { prefix, clock: town.now })
      opened.push(storage)
      return storage
    })
    town.settled = async () => {
      await Promise.all(opened.map(answered))
      await told(opened)
    }
    return store
  }

function hybridOver(
  { now, timers }: Town,
  lease: LeasingOptions | undefined,
  remote: () => Storage,
  close = async (): Promise<void> => undefined,
): Store {
  const opened: Storage[] = []
  const options: HybridOptions = { clock: now, timers, ...(lease !== undefined && { lease }) }
  return {
    storageOf: () => {
      const storage = hybrid(memory({ clock: now }), remote(), options)
      opened.push(storage)
      return storage
    },
    isRemote: true,
    repeatsRefusals: true,
    async close() {
      for (const storage of opened) await storage.close()
      await close()
    },
  }
}

/** Two storages, of which the second decides while the first fails. */
export const failoverToMemory: StoreOf = (town) => failoverFrom(town, faulty(town.now, town.timers))

/** The same with a real Redis, behind a connection that fails when the story says so. */
export const failoverFromRedis =
  (url: string): StoreOf =>
  (town) => {
    const real = redis(url, { prefix: freshName('story'), clock: town.now })
    town.settled = () => answered(real)
    return failoverFrom(town, faulty(town.now, town.timers, real))
  }

function failoverFrom({ now, timers }: Town, first: Faulty): Store {
  const storage = failover([first, memory({ clock: now })], { clock: now, timers })
  return sharedBy(storage, { failing: first, hasSecond: true })
}

/** Faults of a storage that stay until the next one. */
export const FAULTS: readonly Fault[] = ['none', 'refuses', 'throws', 'hangs', 'loses', 'reads']

let announcements = 0

/** Waits until the watchers of all these storages have been told of everything that was written before. */
async function told(storages: readonly Storage[]): Promise<void> {
  const [first] = storages
  if (first === undefined) return
  const name = `told-${++announcements}`
  // A change that is written before a storage listens is not reported to it.
  const watchers = await Promise.all(storages.map((storage) => watcherOf(storage, name)))
  await first.marks.put(1, name, [{ key: userKey(1), mark: { since: 0 } }])
  for (const { seen, stop } of watchers) {
    await seen
    stop()
  }
}

/** Listens for a change of the marks with a name. After a gap it is not waited for: the gap may have contained it, and all before it. */
async function watcherOf(storage: Storage, name: string): Promise<{ seen: Promise<void>; stop: () => void }> {
  let see: () => void = () => undefined
  const seen = new Promise<void>((resolve) => {
    see = resolve
  })
  const stop = await storage.watch((change) => {
    if (change.kind === 'gap' || (change.kind === 'marks' && change.name === name)) see()
  })
  return { seen, stop }
}
