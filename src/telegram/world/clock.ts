import { type Clock, systemClock } from '../../core/clock.js'
import { type Duration, type Ms, parseDuration } from '../../core/duration.js'

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

export function createClock(source: ClockSource): TelegramClock {
  let offset = 0
  const started = systemClock()
  const base: Clock = source === 'real' ? systemClock : source === 'virtual' ? () => started : source
  return {
    now: () => base() + offset,
    advance(by) {
      offset += parseDuration(by, 'clock.advance')
    },
  }
}
