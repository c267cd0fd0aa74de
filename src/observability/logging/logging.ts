import { type Logger, pino } from 'pino'
import { z } from 'zod'
import { type Clock, quietTimers, systemClock, type Timers } from '../../core/clock.js'
import type { LimitInput } from '../../core/limit.js'
import { callable, given, limit, option, parseOptions } from '../../middleware/options/schema.js'
import type { Observed } from '../observed.js'
import { has, timersOption } from '../options.js'
import { Journal } from './journal.js'
import { redactingLogger } from './redacting-logger.js'
import { redaction } from './redaction.js'

export const loggingOptions = z.strictObject({
  logger: option(given<Logger>('a logger of pino', has('child', 'info')), 'Your logger.'),
  sample: option(z.union([z.literal(false), limit]), 'Denials that are logged.', '10/10s'),
  allowed: option(z.boolean(), 'Logs admitted updates, too.', false),
  texts: option(z.boolean(), 'Does not redact what people write.', false),
  hide: option(z.array(z.string().min(1)).readonly(), 'Further fields to redact.'),
  clock: option(callable<Clock>(), 'The clock, in milliseconds since 1970.'),
  timers: option(timersOption, 'Schedules.'),
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
  /**
   * Your logger. Its level, stream, redaction, formatters and serializers (except for errors) are used. @default pino() to
   * standard output
   */
  readonly logger?: Logger | undefined
  /**
   * How many denials are logged for each guard and reason, and how many failures of each kind. The rest is counted, and the count
   * is logged at the end of the span. `false` logs everything. @default '10/10s'
   */
  readonly sample?: false | LimitInput | undefined
  /** Logs every admitted update at level `debug`. @default false */
  readonly allowed?: boolean | undefined
  /** Logs the text of messages, which is redacted otherwise. @default false */
  readonly texts?: boolean | undefined
  /** Names of further fields to redact, regardless of case, `_` and `-`. */
  readonly hide?: readonly string[] | undefined
  /** Returns the time in milliseconds since 1970. @default Date.now */
  readonly clock?: Clock | undefined
  /** Timers for logging the counts of omitted entries. @default setTimeout, without keeping the process alive */
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
  /** A logger for your handlers. It redacts like the sentinel's own entries, and so do its children. */
  readonly logger: Logger
  /**
   * Returns the child logger of one guard, with `guard` bound. It writes the entries about that guard, so you can set their level
   * on it.
   */
  of(guard: string): Logger
  /** Stops logging, after logging the counts of entries omitted so far. */
  close(): void
}

/**
 * Logs what a sentinel does, with pino: denials (`info`, sampled in a flood), shadow denials, blocks and other marks, membership
 * changes, changed limits, storages that go down (`error`) and recover, failures (`error`) and warnings. Entries about a guard
 * come from a child logger with `guard` bound. Needs `pino` 9 or 10.
 *
 * Tokens, passwords and the text of messages are redacted anywhere in an entry, also in your own entries through `logger` and in
 * bindings of its children; tokens and passwords also within log messages. Users appear only by id. Failures and warnings, which
 * otherwise go to the console, are logged instead.
 *
 * @param guard A sentinel.
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
  const { texts, hide = [], allowed, sample } = settings
  const { clock = systemClock, timers = quietTimers } = settings
  const own = settings.logger ?? pino({ name: 'grammy-sentinel' })
  const logger = redactingLogger(own, redaction({ texts, hide }))
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
