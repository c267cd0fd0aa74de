import type { Ms } from '../../core/duration.js'
import type { Link } from './link.js'

/**
 * The highest time is noted once in so long. A clock that stands less than this behind it has not been put back: time waits for it.
 * What this process has itself told stands to the millisecond.
 */
const TOLERANCE: Ms = 1000

interface Row {
  readonly high: number
  readonly skew: number
}

/**
 * The time of limits, penalties and claims, which never goes back for those who share a file, nor from one start to the next: the
 * machine's clock, and by how much it was ever put back, both of which the file keeps. Within transactions, as the clock must be
 * read by whoever holds the file: else somebody who waited for it would come with an earlier time.
 */
export class KeptTime {
  /** The latest time that was told. */
  now: Ms = Number.NEGATIVE_INFINITY
  /** The highest that this process read off the clock since it was put back last. */
  #seen: Ms = Number.NEGATIVE_INFINITY
  #skew: Ms = 0

  constructor(private readonly link: Link) {}

  /** For an ask that writes. */
  advance(at: Ms): Ms {
    const clock = Math.floor(at)
    const { high, skew } = this.#row() ?? { high: Number.NEGATIVE_INFINITY, skew: 0 }
    const latest = Math.max(high, this.#seen)
    const isBack = clock < this.#seen || clock < high - TOLERANCE
    if (isBack) this.#skew += latest - clock
    this.#seen = isBack ? clock : Math.max(this.#seen, clock)
    if (isBack || clock > high + TOLERANCE) {
      this.link.run(
        'INSERT OR REPLACE INTO sentinel_clock (id, high, skew) VALUES (1, ?, ?)',
        clock,
        this.#skew,
      )
    }
    this.now = this.#afterLast(Math.max(latest, clock) + skew)
    return this.now
  }

  /** What the time would be, for an ask that writes nothing. */
  at(at: Ms): Ms {
    const { high, skew } = this.#row() ?? { high: Number.NEGATIVE_INFINITY, skew: 0 }
    return this.#afterLast(Math.max(Math.floor(at), high, this.#seen) + skew)
  }

  /** Whoever saw that the clock was put back may have seen less of the time before than this process. */
  #afterLast(time: Ms): Ms {
    return this.now - time <= TOLERANCE ? Math.max(time, this.now) : time
  }

  #row(): Row | undefined {
    const row = this.link.get<Row>('SELECT high, skew FROM sentinel_clock WHERE id = 1')
    // Another process has noticed that the clock was put back, or what this process wrote was lost.
    if ((row?.skew ?? 0) !== this.#skew) this.#seen = Number.NEGATIVE_INFINITY
    this.#skew = row?.skew ?? 0
    return row
  }
}
