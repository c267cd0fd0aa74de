import type { Storage } from '../contract/storage.js'
import { makeResilient } from './make-resilient.js'
import { bringProtection } from './protect.js'

/** For constructors of remote storages: hands `makeResilient()` to `sentinel()`, which then need not load that module on demand. */
export function withProtection<S extends Storage>(storage: S): S {
  bringProtection(makeResilient)
  return storage
}
