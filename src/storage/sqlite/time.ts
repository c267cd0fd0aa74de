import type { Ms } from '../../core/duration.js'
import type { Link } from './link.js'

/**
 * The highest time is written at most this often. A clock that is behind it by less than this has not gone back; time waits for
 * it to catch up. Times returned by this process never go back even by a millisecond.
 */
const TOLERANCE: Ms = 1000

interface Row {
  readonly high: number
  readonly skew: number
}

/**
 * The time of limits, penalties and claims. It never goes back, for all processes that share the file and across restarts: it is
 * the machine's clock plus the sum of its backward steps, which the file stores. Runs within transactions: a process that read
 * the clock and then waited for the file would otherwise bring an earlier time.
 */
export class KeptTime {
  /** The latest time returned. */
  now: Ms = Number.NEGATIVE_INFINITY
  /** The highest clock reading of this process since the clock last went back. */
  #seen: Ms = Number.NEGATIVE_INFINITY
  #skew: Ms = 0

  constructor(private readonly link: Link) {}

  /** Returns the time for an ask that writes. */
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

  /** Returns the time for an ask that writes nothing. */
  at(at: Ms): Ms {
    const { high, skew } = this.#row() ?? { high: Number.NEGATIVE_INFINITY, skew: 0 }
    return this.#afterLast(Math.max(Math.floor(at), high, this.#seen) + skew)
  }

  /** The process that noticed the clock going back may have seen less of the time before than this one. */
  #afterLast(time: Ms): Ms {
    return this.now - time <= TOLERANCE ? Math.max(time, this.now) : time
  }

  #row(): Row | undefined {
    const row = this.link.get<Row>('SELECT high, skew FROM sentinel_clock WHERE id = 1')
    // Another process has noticed that the clock went back, or this process's write was lost.
    if ((row?.skew ?? 0) !== this.#skew) this.#seen = Number.NEGATIVE_INFINITY
    this.#skew = row?.skew ?? 0
    return row
  }
}
