import type { Clock, Timers } from '../../core/clock.js'
import { later } from '../../core/later.js'
import { isObservable } from '../contract/condition.js'
import type { Storage } from '../contract/storage.js'
import { DeferredStorage, type ProtectedStorage } from './deferred.js'

/** A storage that is safe to use in front of a bot, and a way to release its protection. */
interface Protected {
  readonly storage: Storage
  /** Idempotent. Rejects if marks were put or removed that never reached the storage. */
  release(): Promise<void>
}

type Protecting = (
  storage: Storage,
  options: { readonly clock?: Clock; readonly timers?: Timers },
) => ProtectedStorage

interface Wrapped {
  readonly storage: ProtectedStorage
  users: number
}

const wrapped = new WeakMap<Storage, Wrapped>()

/*
 * Storages in this process need no protection, and its code is a fifth of all that can be loaded. So the module comes with our
 * own remote storages; for other remote storages it is loaded on demand.
 */
let protecting: Protecting | undefined
const resilience = later('storage', () => import('./make-resilient.js'))

/** Registers the protection. Called by everything that makes a remote storage. */
export function bringProtection(make: Protecting): void {
  protecting = make
}

/**
 * Puts time-outs, a circuit breaker and a fallback around a storage that needs them: a remote one without protection of its own.
 * All users of a storage share one protection, so that it is up or down for all of them.
 */
export function protect(
  storage: Storage,
  options: { readonly clock?: Clock | undefined; readonly timers?: Timers | undefined },
): Protected {
  if (storage.remote !== true || isProtected(storage)) {
    return { storage, release: async () => undefined }
  }
  const { clock, timers } = options
  let shared = wrapped.get(storage)
  if (shared === undefined) {
    const own = { ...(clock === undefined ? {} : { clock }), ...(timers === undefined ? {} : { timers }) }
    const made =
      protecting?.(storage, own) ??
      new DeferredStorage(storage, async () => (await resilience.load()).makeResilient(storage, own), clock)
    shared = { storage: made, users: 0 }
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

/** Checked by its methods, since the class is not loaded here. A third-party storage may have an unrelated `release` method. */
function isProtected(storage: Storage): storage is ProtectedStorage {
  return isObservable(storage) && 'release' in storage && typeof storage.release === 'function'
}
