import type { tl } from '@mtcute/core'
import { keyOf } from './handled.js'

/** Number of keys in each generation; enough for a thousand updates a second during half a minute. */
const MOST = 30_000

/**
 * Remembers which updates this process has begun to handle. mtcute requests missed updates from the position that a channel has at
 * that moment, and passes on live updates of the channel while it waits for the answer. The answer contains these once more, and
 * mtcute does not compare.
 */
export class Begun {
  /** Keys by box, in two generations, so that memory is bounded: once the newer one is full, the older one is dropped. */
  #newer = new Map<number, Set<number>>()
  #older = new Map<number, Set<number>>()
  #count = 0

  /** Notes that an update begins; returns false if it has begun before. */
  begin(box: number, update: tl.TypeUpdate): boolean {
    const key = keyOf(update)
    // An update with a count of zero shares its number with another one, so the number does not identify it.
    if (key === undefined || ('ptsCount' in update && update.pts > 0 && update.ptsCount === 0)) return true
    let keys = this.#newer.get(box)
    if (keys?.has(key) === true || this.#older.get(box)?.has(key) === true) return false
    if (this.#count === MOST) {
      this.#older = this.#newer
      this.#newer = new Map()
      this.#count = 0
      keys = undefined
    }
    this.#count++
    if (keys === undefined) this.#newer.set(box, new Set([key]))
    else keys.add(key)
    return true
  }
}
