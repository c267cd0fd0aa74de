import type { Key } from '../../core/subject.js'

/** The two halves of the last hash. {@link hashOf} returns no object, to avoid an allocation for each update. */
export const HASH = { high: 0, low: 0 }

/**
 * Hashes a key to 64 bits, stored in {@link HASH}. It is the same in every worker, so that sketches can be merged. Without a
 * secret seed it does not prevent deliberate collisions, but users cannot choose their Telegram ids. The finisher is that of
 * MurmurHash3 (A. Appleby).
 */
export function hashOf(key: Key): void {
  let a = 0x9e3779b9
  let b = 0x85ebca6b
  if (typeof key === 'number') {
    a = finished(a ^ key)
    b = finished(b ^ Math.floor(key / 0x1_0000_0000))
  } else {
    for (let i = 0; i < key.length; i++) {
      const code = key.charCodeAt(i)
      a = Math.imul(a ^ code, 0x5bd1e995)
      b = Math.imul(b ^ code, 0x1b873593)
    }
  }
  HASH.high = finished(a ^ Math.imul(b, 0x27d4eb2f)) >>> 0
  HASH.low = finished(b ^ Math.imul(HASH.high, 0x165667b1)) >>> 0
}

function finished(hash: number): number {
  let h = hash | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}
