import { GLOBAL_KEY, type Key, keySubject, keyText, subjectKey } from '../../core/subject.js'
import { digestOf } from './forgotten.js'

/** Replaces a forgotten key; no actor has this key. */
const NOBODY = GLOBAL_KEY

/** How often a key was added, as bounds. */
interface Hitter {
  readonly key: Key
  readonly atLeast: number
  readonly atMost: number
}

/**
 * Finds the most frequent keys with a fixed number of counters: Space-Saving (A. Metwally, D. Agrawal, A. El Abbadi, 2005). With
 * `size` counters and n additions, no counter is too high by more than n/size, and every key that occurs more often than that has
 * a counter.
 *
 * Counters form a heap with the smallest on top.
 */
export class HeavyHitters {
  private readonly keys: Key[] = []
  private readonly counts: number[] = []
  /** By how much a count may be too high: the count that the counter had for its previous key. */
  private readonly errors: number[] = []
  private readonly places = new Map<Key, number>()

  constructor(readonly size: number) {}

  /** Upper bound for how often a key without a counter was added. */
  get floor(): number {
    return this.keys.length < this.size ? 0 : (this.counts[0] as number)
  }

  add(key: Key): void {
    const place = this.places.get(key)
    if (place !== undefined) {
      this.counts[place] = (this.counts[place] as number) + 1
      this.sink(place)
      return
    }
    if (this.keys.length < this.size) {
      this.insert(key, 1, 0)
      return
    }
    const least = this.counts[0] as number
    this.places.delete(this.keys[0] as Key)
    this.keys[0] = key
    this.places.set(key, 0)
    this.counts[0] = least + 1
    this.errors[0] = least
    this.sink(0)
  }

  /** Forgets keys; returns whether any was known. Their counters stay, because the smallest counter bounds all keys without one. */
  forget(digests: ReadonlySet<string>): boolean {
    const found = [...this.places].filter(([key]) => digests.has(digestOf(key)))
    for (const [key, place] of found) {
      this.places.delete(key)
      this.keys[place] = NOBODY
    }
    return found.length > 0
  }

  /** In no particular order. */
  *entries(): Generator<Hitter> {
    for (let i = 0; i < this.keys.length; i++) {
      if (this.keys[i] === NOBODY) continue
      const atMost = this.counts[i] as number
      yield { key: this.keys[i] as Key, atMost, atLeast: atMost - (this.errors[i] as number) }
    }
  }

  write(): unknown {
    return [this.size, ...this.keys.map((key, i) => [keyText(key), this.counts[i], this.errors[i]])]
  }

  /** Returns undefined if the value is not such a list. */
  static read(written: unknown): HeavyHitters | undefined {
    if (!Array.isArray(written)) return undefined
    const [size, ...entries] = written as unknown[]
    if (!isCount(size) || entries.length > size) return undefined
    const read = new HeavyHitters(size)
    for (const entry of entries) {
      if (!Array.isArray(entry)) return undefined
      const [text, count, error] = entry as unknown[]
      if (typeof text !== 'string' || !isCount(count) || !isCount(error) || error > count) return undefined
      try {
        read.insert(subjectKey(keySubject(text)), count, error)
      } catch {
        // Not a key, so this package did not write it.
        return undefined
      }
    }
    return read
  }

  private insert(key: Key, count: number, error: number): void {
    let place = this.keys.length
    this.keys.push(key)
    this.counts.push(count)
    this.errors.push(error)
    this.places.set(key, place)
    while (place > 0) {
      const parent = (place - 1) >> 1
      if ((this.counts[parent] as number) <= count) break
      this.swap(place, parent)
      place = parent
    }
  }

  private sink(from: number): void {
    const { counts } = this
    for (let place = from; ; ) {
      const left = 2 * place + 1
      if (left >= counts.length) return
      const right = left + 1
      const least =
        right < counts.length && (counts[right] as number) < (counts[left] as number) ? right : left
      if ((counts[least] as number) >= (counts[place] as number)) return
      this.swap(place, least)
      place = least
    }
  }

  private swap(a: number, b: number): void {
    for (const list of [this.keys, this.counts, this.errors] as unknown[][]) {
      const kept = list[a]
      list[a] = list[b]
      list[b] = kept
    }
    this.places.set(this.keys[a] as Key, a)
    this.places.set(this.keys[b] as Key, b)
  }
}

/**
 * Combines several counters, most frequent first. A key without a counter in one of them may have occurred there as often as its
 * smallest count, so both bounds hold for the sum (as in M. Cafaro, M. Pulimeno, P. Tempesta, 2016, but without dropping any
 * key). The smallest counts are added up once, and each key subtracts those of the lists that contain it. This blocks the event
 * loop, so it has to be quick.
 */
export function together(all: readonly HeavyHitters[]): Hitter[] {
  let floors = 0
  const sums = new Map<Key, { key: Key; atLeast: number; atMost: number }>()
  for (const each of all) {
    const { floor } = each
    floors += floor
    for (const { key, atLeast, atMost } of each.entries()) {
      let sum = sums.get(key)
      if (sum === undefined) {
        sum = { key, atLeast: 0, atMost: 0 }
        sums.set(key, sum)
      }
      sum.atLeast += atLeast
      sum.atMost += atMost - floor
    }
  }
  for (const sum of sums.values()) sum.atMost += floors
  return [...sums.values()].sort((a, b) => b.atMost - a.atMost || b.atLeast - a.atLeast)
}

export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
