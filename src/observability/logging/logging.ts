import { type Logger, pino } from 'pino'
import { z } from 'zod'
import { type Clock, quietTimers, systemClock, type Timers } from '../../core/clock.js'
import { type Limit, type LimitInput, parseLimit } from '../../core/limit.js'
import { callable, given, limit, option, parseOptions } from '../../middleware/options/schema.js'
import type { Observed } from '../observed.js'
import { discreet } from './discreet.js'
import { Journal } from './journal.js'
import { redaction } from './redaction.js'

const has =
  (...names: string[]) =>
  (value: unknown): boolean =>
    typeof value === 'object' && value !== null && names.every((name) => name in value)

const loggingOptions = z.strictObject({
  logger: option(given<Logger>('a logger of pino', has('child', 'info')), 'Your logger.'),
  sample: option(z.union([z.literal(false), limit]), 'Denials that are logged.', '10/10s'),
  allowed: option(z.boolean(), 'Logs what passes, too.', false),
  texts: option(z.boolean(), 'Leaves in what people write.', false),
  hide: option(z.array(z.string().min(1)).readonly(), 'More fields that are not for logs.'),
  clock: option(callable<Clock>(), 'Tells the time in milliseconds since 1970.'),
  timers: option(given<Timers>('timers: an object with after(ms, run)', has('after')), 'Schedules.'),
})

/**
 * Options of {@link logging}.
 *
 * @example
 * ```ts
 * import { sentinel } from 'grammy-sentinel'
 * import { type LoggingOptions, logging } from 'grammy-sentinel/logging'
 * import { pino } from 'pino'
 *
 * const options: LoggingOptions = { logger: pino({ level: 'debug' }), sample: '100/1m', hide: ['email'] }
 * logging(sentinel(), options)
 * ```
 */
export interface LoggingOptions {
  /** Your logger, with its level, its stream, its own redaction, serializers (but of errors) and formatters. @default pino(), to the standard output */
  readonly logger?: Logger | undefined
  /**
   * How many denials of one guard for one reason are logged, and failures of one kind; the rest is counted, and the count logged when
   * the span is over. `false` logs every one. @default '10/10s'
   */
  readonly sample?: false | LimitInput | undefined
  /** Logs, at `debug`, every update that passes. @default false */
  readonly allowed?: boolean | undefined
  /** Leaves in what people write. @default false */
  readonly texts?: boolean | undefined
  /** More names of fields that are not for logs, whatever their case and with or without `_` and `-`. */
  readonly hide?: readonly string[] | undefined
  /** Tells the time in milliseconds since 1970. @default Date.now */
  readonly clock?: Clock | undefined
  /** Schedules the counts of what was left out. @default setTimeout, which keeps no process alive */
  readonly timers?: Timers | undefined
}

/**
 * The log of a sentinel.
 *
 * @example
 * ```ts
 * import { sentinel } from 'grammy-sentinel'
 * import { logging, type SentinelLog } from 'grammy-sentinel/logging'
 *
 * const log: SentinelLog = logging(sentinel())
 * log.of('auth').level = 'warn' // quieter about denials by auth
 * log.logger.info({ update: { message: { text: 'hello' } } }, 'seen') // text: '[redacted]'
 * ```
 */
export interface SentinelLog {
  /** Redacts like the sentinel's own entries, and so do its children: for your handlers. */
  readonly logger: Logger
  /** The child of one guard, with `guard` bound: entries about it are made by this one, so its level is theirs. */
  of(guard: string): Logger
  /** Stops logging; what was left out until now is told. */
  close(): void
}

/**
 * Logs what a sentinel does, through pino: denials (`info`, sampled under a flood), shadows, blocks and other marks, members, changed
 * limits, storages that go down (`error`) and come back, failures (`error`) and warnings. Entries about a guard are those of a child
 * logger with `guard` bound. Needs `pino` 9 or 10.
 *
 * Tokens, passwords and what people write are redacted, wherever in an entry they are, in your own entries through `logger` too, and in
 * what is bound to its children; tokens and passwords also in the words of messages. Of people, ids are told. The console, which else hears of failures and warnings, is spared.
 *
 * @param guard What `sentinel()` gave.
 * @param options See {@link LoggingOptions}.
 * @throws SentinelError `option.invalid`, `option.unknown`, `limit.invalid`.
 *
 * @example
 * ```ts
 * import { sentinel } from 'grammy-sentinel'
 * import { logging } from 'grammy-sentinel/logging'
 *
 * const guard = sentinel()
 * const { logger } = logging(guard)
 * logger.info('guarded')
 * ```
 */
export function logging(guard: Observed, options: LoggingOptions = {}): SentinelLog {
  const settings = parseOptions('logging', loggingOptions, options)
  const { texts = false, hide = [], allowed = false, sample = SAMPLE } = settings
  const { clock = systemClock, timers = quietTimers } = settings
  const tell = redaction({ texts, hide })
  const logger = discreet(settings.logger ?? pino({ name: 'grammy-sentinel' }), tell)
  const journal = new Journal(logger, { allowed, sample, clock, timers })
  const stop = journal.listen(guard)
  return {
    logger,
    of: (name) => journal.of(name),
    close() {
      stop()
      journal.close()
    },
  }
}

const SAMPLE: Limit = parseLimit('10/10s')
