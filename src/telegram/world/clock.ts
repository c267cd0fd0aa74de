import { type Clock, quietTimers, systemClock, type Timers } from '../../core/clock.js'
import { type Duration, type Ms, parseDuration } from '../../core/duration.js'
import { Agenda } from './agenda.js'

/**
 * The time inside the embedded Telegram. Message dates, bans, restrictions and the life of queries follow it;
 * network time-outs (long polls, webhook retries, how patiently a person listens) follow the machine's.
 *
 * @example
 * ```ts
 * import { startTelegram } from 'grammy-sentinel/testing'
 *
 * const telegram = await startTelegram({ clock: 'virtual' })
 * const before = telegram.clock.now()
 * telegram.clock.advance('1h')
 * console.log(telegram.clock.now() - before) // 3_600_000
 * await telegram.close()
 * ```
 */
export interface TelegramClock {
  /** Milliseconds since 1970. */
  now(): Ms
  /**
   * Moves the time forward. What has lapsed by then (bans, restrictions, queries) has lapsed at once, and what `timers` were told
   * to run by then has been run.
   */
  advance(by: Duration): void
  /**
   * Timers of this time, for guards in a test: `sentinel({ clock: clock.now, timers: clock.timers })`. `advance()` runs what is due by then,
   * each at its time, one after the other; on a clock that goes by itself it is also run when its time has come. What one throws goes to
   * whoever advances the clock. They keep no process alive, and outlast `telegram.close()`.
   */
  readonly timers: Timers
}

/**
 * Where the time comes from: the machine, standing still until advanced, or a clock of your own.
 *
 * @example
 * ```ts
 * import type { ClockSource } from 'grammy-sentinel/testing'
 *
 * let now = 1_700_000_000_000
 * const clock: ClockSource = () => now
 * now += 1000
 * export { clock }
 * ```
 */
export type ClockSource = 'real' | 'virtual' | Clock

/** The clock of a world, which also does what is due. */
export interface WorldClock extends TelegramClock {
  /** Once that time has come. What is called off, or still ahead at {@link close}, is not done. */
  at(time: Ms, run: () => void): () => void
  close(): void
}

export function createClock(source: ClockSource): WorldClock {
  let offset = 0
  const started = systemClock()
  const base: Clock = source === 'real' ? systemClock : source === 'virtual' ? () => started : source
  const now = () => base() + offset
  // Time that stands still until it is advanced needs nobody to look at it.
  const machine = source === 'virtual' ? undefined : quietTimers
  const agenda = new Agenda(now, machine)
  const timed = new Agenda(now, machine, Number.POSITIVE_INFINITY)
  return {
    now,
    advance(by) {
      const end = offset + parseDuration(by, 'clock.advance')
      for (let due = timed.next; due <= base() + end; due = timed.next) {
        // Whoever runs looks at the clock: it tells the time that they asked for.
        offset = Math.max(offset, due - base())
        agenda.doWhatIsDue()
        timed.doFirst()
      }
      // Further, if one of them has advanced it, too.
      offset = Math.max(offset, end)
      agenda.doWhatIsDue()
    },
    timers: { after: (ms, run) => timed.add(now() + (Math.max(0, ms) || 0), run) },
    at: (time, run) => agenda.add(time, run),
    close: () => agenda.close(),
  }
}
