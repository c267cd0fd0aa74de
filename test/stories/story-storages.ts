import { memory } from '../../src/storage/memory/memory.js'
import { redis } from '../../src/storage/redis/index.js'
import type { Storage } from '../../src/storage/storage.js'
import { freshName } from '../servers/shared.js'
import { type Fault, type Faulty, faulty } from '../storage/faulty.js'
import type { Town } from './town.js'

/** The storage of a story. */
export interface Store {
  readonly storage: Storage
  /** The storage again, if it can fail on demand. */
  readonly failing?: Faulty
}

export type StoreOf = (town: Town) => Store

export const inMemory: StoreOf = ({ now }) => ({ storage: memory({ clock: now }) })

/** A remote storage that fails when the story says so. */
export const failing: StoreOf = ({ now, timers }) => {
  const storage = faulty(now, timers)
  return { storage, failing: storage }
}

/** A real Redis; each story has keys of its own. */
export const onRedis =
  (url: string): StoreOf =>
  (town) => {
    const storage = redis(url, { prefix: freshName('story'), clock: town.now })
    // Answers come in the order of the questions, so once this one is answered, all earlier questions are.
    town.settled = async () => {
      for (let trip = 0; trip < 3; trip++) await storage.health()
    }
    return { storage }
  }

/** Faults of a storage that stay until the next one. */
export const FAULTS: readonly Fault[] = ['none', 'refuses', 'throws', 'hangs', 'loses', 'reads']
