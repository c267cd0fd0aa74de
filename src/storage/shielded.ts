import { bringShield } from './protect.js'
import { makeResilient } from './shield.js'
import type { Storage } from './storage.js'

/** For those who make storages that are elsewhere: brings what `sentinel()` puts around them, so that it need not be loaded first. */
export function shielded<S extends Storage>(storage: S): S {
  bringShield(makeResilient)
  return storage
}
