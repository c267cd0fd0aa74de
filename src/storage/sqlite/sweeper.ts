import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { KEPT_FOR } from './changes.js'
import { forgetPart } from './claims.js'
import type { SqliteValue } from './driver.js'
import type { Link } from './link.js'

const EVERY: Ms = 60_000
/** Delay after a sweep that left lapsed rows. */
const SOON: Ms = 100
/** Maximum number of rows per table and sweep; updates have to wait for a sweep. */
const MOST = 1000
/** The same for parts of sequences, each of which has up to 4,096 rows. */
const MOST_PARTS = 10

interface Part {
  readonly place: number
  readonly bot: number
  readonly key: string
  readonly part: number
}

/** Deletes lapsed rows, a few at a time, and continues soon if there are more. Its timer does not keep the process alive. */
export class Sweeper {
  private callOff: (() => void) | undefined

  constructor(
    private readonly link: Link,
    private readonly clock: Clock,
    private readonly timers: Timers,
    private readonly onError: (error: unknown) => void,
  ) {}

  start(): void {
    this.schedule(EVERY)
  }

  stop(): void {
    this.callOff?.()
    this.callOff = undefined
  }

  /** Deletes up to a thousand rows of each table. Returns whether there may be more. */
  sweep(): boolean {
    const { link } = this
    const now = this.clock()
    return link.write(() => {
      // The time of limits, penalties and claims is ahead of the clock by `skew` if the clock ever went back.
      const { skew } = link.get<{ skew: number }>('SELECT skew FROM sentinel_clock') ?? { skew: 0 }
      const full = [
        this.take('sentinel_marks', 'bot, key, name', 'until IS NOT NULL AND until <= ?', now),
        this.take('sentinel_values', 'space, key', 'until IS NOT NULL AND until <= ?', now),
        this.take('sentinel_records', 'place, bot, key, form', 'until <= ?', now + skew),
        this.take(
          'sentinel_claims',
          'place, bot, key, token',
          'until IS NOT NULL AND until <= ?',
          now + skew,
        ),
        this.takeParts(now + skew),
        // Changes name subjects, which may have been erased meanwhile.
        this.take('sentinel_changes', 'id', 'at <= ? OR at > ?', now - KEPT_FOR, now + KEPT_FOR),
      ]
      return full.includes(true)
    })
  }

  private schedule(after: Ms): void {
    this.callOff ??= this.timers.after(after, () => {
      this.callOff = undefined
      let more = false
      try {
        this.link.checkFile()
        more = this.sweep()
      } catch (error) {
        this.onError(error)
      }
      if (!this.link.closed) this.schedule(more ? SOON : EVERY)
    })
  }

  /** Returns whether the maximum number of rows was deleted. */
  private take(table: string, key: string, lapsed: string, ...values: SqliteValue[]): boolean {
    const { link } = this
    link.run(
      `DELETE FROM ${table} WHERE (${key}) IN (SELECT ${key} FROM ${table} WHERE ${lapsed} LIMIT ${MOST})`,
      ...values,
    )
    return link.get<{ rows: number }>('SELECT changes() AS rows')?.rows === MOST
  }

  private takeParts(now: Ms): boolean {
    const { link } = this
    const parts = link.all<Part>(
      `SELECT place, bot, key, part FROM sentinel_sequences WHERE until <= ? LIMIT ${MOST_PARTS}`,
      now,
    )
    for (const { place, bot, key, part } of parts) {
      forgetPart(link, { place, bot, key }, part)
      link.run(
        'DELETE FROM sentinel_sequences WHERE place = ? AND bot = ? AND key = ? AND part = ?',
        place,
        bot,
        key,
        part,
      )
    }
    return parts.length === MOST_PARTS
  }
}
