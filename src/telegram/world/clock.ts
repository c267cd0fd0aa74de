import { type Clock, quietTimers, systemClock, type Timers } from '../../core/clock.js'
import { type Duration, type Ms, parseDuration } from '../../core/duration.js'
import { Agenda } from './agenda.js'

/**
 * The clock of the embedded Telegram. Message dates, bans, restrictions and the lifetime of queries follow it; network time-outs
 * (long polls, webhook retries, the `patience` option) follow the machine's clock.
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
   * Moves the time forward. Bans, restrictions and queries that end by then have ended, and callbacks of `timers` due by then
   * have run.
   */
  advance(by: Duration): void
  /**
   * Timers on this clock, for guards in tests: `sentinel({ clock: clock.now, timers: clock.timers })`. `advance()` runs callbacks
   * that become due one after the other, each at its own time; on a running clock they also run when their time comes. An
   * exception thrown by a callback reaches the caller of `advance()`. The timers do not keep the process alive, and still work
   * after `telegram.close()`.
   */
  readonly timers: Timers
}

/**
 * Source of the time: the machine's clock, a virtual clock that stands still until advanced, or a custom clock.
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

/** The clock of a world, which also runs scheduled work. */
export interface WorldClock extends TelegramClock {
  /** Runs the callback at that time; the returned function cancels it. Callbacks still pending at {@link close} never run. */
  at(time: Ms, run: () => void): () => void
  close(): void
}

export function createClock(source: ClockSource): WorldClock {
  let offset = 0
  const started = systemClock()
  const base: Clock = source === 'real' ? systemClock : source === 'virtual' ? () => started : source
  const now = () => base() + offset
  // A virtual clock only moves by advance(), so no machine timer is needed.
  const machine = source === 'virtual' ? undefined : quietTimers
  const agenda = new Agenda(now, machine)
  const timed = new Agenda(now, machine, Number.POSITIVE_INFINITY)
  return {
    now,
    advance(by) {
      const end = offset + parseDuration(by, 'clock.advance')
      for (let due = timed.next; due <= base() + end; due = timed.next) {
        // A callback must see the time it was scheduled for.
        offset = Math.max(offset, due - base())
        agenda.doWhatIsDue()
        timed.doFirst()
      }
      // A callback may have called advance() itself, and gone further.
      offset = Math.max(offset, end)
      agenda.doWhatIsDue()
    },
    timers: { after: (ms, run) => timed.add(now() + (Math.max(0, ms) || 0), run) },
    at: (time, run) => agenda.add(time, run),
    close: () => agenda.close(),
  }
}
