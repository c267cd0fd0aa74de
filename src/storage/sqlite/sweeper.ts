import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { forgetPart } from './claims.js'
import type { Link } from './link.js'

const EVERY: Ms = 60_000
/** So many rows of a table at a time: whoever decides an update waits for as long. */
const MOST = 1000

interface Part {
  readonly place: number
  readonly bot: number
  readonly key: string
  readonly part: number
}

/** Takes away what has lapsed, a little at a time. Its timer keeps no process alive. */
export class Sweeper {
  private callOff: (() => void) | undefined

  constructor(
    private readonly link: Link,
    private readonly clock: Clock,
    private readonly timers: Timers,
    private readonly onError: (error: unknown) => void,
  ) {}

  start(): void {
    this.callOff ??= this.timers.after(EVERY, () => {
      this.callOff = undefined
      try {
        this.sweep()
      } catch (error) {
        this.onError(error)
      }
      if (!this.link.closed) this.start()
    })
  }

  stop(): void {
    this.callOff?.()
    this.callOff = undefined
  }

  /** Takes away up to a thousand of each. */
  sweep(): void {
    const { link } = this
    const now = this.clock()
    link.write(() => {
      link.run(
        `DELETE FROM sentinel_marks WHERE (bot, key, name) IN
           (SELECT bot, key, name FROM sentinel_marks WHERE until IS NOT NULL AND until <= ? LIMIT ${MOST})`,
        now,
      )
      link.run(
        `DELETE FROM sentinel_values WHERE (space, key) IN
           (SELECT space, key FROM sentinel_values WHERE until IS NOT NULL AND until <= ? LIMIT ${MOST})`,
        now,
      )
      link.run(
        `DELETE FROM sentinel_records WHERE (place, bot, key) IN
           (SELECT place, bot, key FROM sentinel_records WHERE until <= ? LIMIT ${MOST})`,
        now,
      )
      link.run(
        `DELETE FROM sentinel_claims WHERE (place, bot, key, token) IN
           (SELECT place, bot, key, token FROM sentinel_claims WHERE until IS NOT NULL AND until <= ? LIMIT ${MOST})`,
        now,
      )
      const parts = link.all<Part>(
        `SELECT place, bot, key, part FROM sentinel_sequences WHERE until <= ? LIMIT ${MOST / 100}`,
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
    })
  }
}
