import { bringShield } from './protect.js'
import { makeResilient } from './shield.js'
import type { Storage } from './storage.js'

/** For constructors of remote storages: hands `makeResilient()` to `sentinel()`, which then need not load that module on demand. */
export function shielded<S extends Storage>(storage: S): S {
  bringShield(makeResilient)
  return storage
}
