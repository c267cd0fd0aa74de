import { type Clock, quietTimers, systemClock } from '../../core/clock.js'
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
  /** Moves the time forward. What has lapsed by then (bans, restrictions, queries) has lapsed at once. */
  advance(by: Duration): void
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
  const agenda = new Agenda(now, source === 'virtual' ? undefined : quietTimers)
  return {
    now,
    advance(by) {
      offset += parseDuration(by, 'clock.advance')
      agenda.doWhatIsDue()
    },
    at: (time, run) => agenda.add(time, run),
    close: () => agenda.close(),
  }
}
