import type { Clock, Timers } from '../core/clock.js'
import { later } from '../core/later.js'
import { isObservable, type Observable } from './condition.js'
import { DeferredStorage } from './deferred.js'
import type { Storage } from './storage.js'

/** A storage that may be used in front of a bot, and the way to let go of what was put around it. */
export interface Protected {
  readonly storage: Storage
  /** Idempotent. Rejects when marks were written that never reached the storage. */
  release(): Promise<void>
}

/** What is put around a storage that may fail. */
export interface Shield extends Storage, Observable {
  /** Lets go of what it holds, but the storage. */
  release(): Promise<void>
}

type Shielding = (storage: Storage, options: { readonly clock?: Clock; readonly timers?: Timers }) => Shield

interface Wrapped {
  readonly storage: Shield
  users: number
}

const wrapped = new WeakMap<Storage, Wrapped>()

/*
 * Bots in one process need no shield, and it is a fifth of all that could be loaded. So it comes with the storages of ours that are
 * elsewhere; for others it is loaded when it is needed.
 */
let shielding: Shielding | undefined
const resilience = later('storage', () => import('./shield.js'))

/** Whoever makes a storage that is elsewhere brings what stands around it. */
export function bringShield(make: Shielding): void {
  shielding = make
}

/**
 * Puts time-outs, a breaker and a fallback around a storage that needs them: one that is elsewhere, and has none yet. All who
 * use a storage share what is around it: it is up or down for all of them.
 */
export function protect(
  storage: Storage,
  options: { readonly clock?: Clock | undefined; readonly timers?: Timers | undefined },
): Protected {
  if (storage.remote !== true || isShield(storage)) {
    return { storage, release: async () => undefined }
  }
  const { clock, timers } = options
  let shared = wrapped.get(storage)
  if (shared === undefined) {
    const own = { ...(clock === undefined ? {} : { clock }), ...(timers === undefined ? {} : { timers }) }
    const shield =
      shielding?.(storage, own) ??
      new DeferredStorage(storage, async () => (await resilience.load()).makeResilient(storage, own), clock)
    shared = { storage: shield, users: 0 }
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

/** By what it can do, since its class is not loaded here. Some storage of somebody's may have a `release` of its own. */
function isShield(storage: Storage): storage is Shield {
  return isObservable(storage) && 'release' in storage && typeof storage.release === 'function'
}
