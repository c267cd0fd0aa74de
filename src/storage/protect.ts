import type { Clock, Timers } from '../core/clock.js'
import { ResilientStorage } from './resilient/storage.js'
import { makeResilient } from './resilient.js'
import type { Storage } from './storage.js'

/** A storage that may be used in front of a bot, and the way to let go of what was put around it. */
export interface Protected {
  readonly storage: Storage
  /** Idempotent. Rejects when marks were written that never reached the storage. */
  release(): Promise<void>
}

interface Wrapped {
  readonly storage: ResilientStorage
  users: number
}

const wrapped = new WeakMap<Storage, Wrapped>()

/**
 * Puts time-outs, a breaker and a fallback around a storage that needs them: one that is elsewhere, and has none yet. All who
 * use a storage share what is around it: it is up or down for all of them.
 */
export function protect(
  storage: Storage,
  options: { readonly clock?: Clock | undefined; readonly timers?: Timers | undefined },
): Protected {
  if (storage.remote !== true || storage instanceof ResilientStorage) {
    return { storage, release: async () => undefined }
  }
  const { clock, timers } = options
  let shared = wrapped.get(storage)
  if (shared === undefined) {
    const own = { ...(clock === undefined ? {} : { clock }), ...(timers === undefined ? {} : { timers }) }
    shared = { storage: makeResilient(storage, own), users: 0 }
    wrapped.set(storage, shared)
  }
  const mine = shared
  mine.users++
  let released: Promise<void> | undefined
  const release = async (): Promise<void> => {
    mine.users--
    if (mine.users > 0) return
    if (wrapped.get(storage) === mine) wrapped.delete(storage)
    await mine.storage.release()
  }
  return {
    storage: mine.storage,
    release() {
      released ??= release()
      return released
    },
  }
}
