import { z } from 'zod'
import type { Duration } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { duration, option, parseOptions } from '../../middleware/options/schema.js'
import type { StatsPlugin } from './contract.js'
import { Recorder } from './recorder.js'

const SLOTS = 'must be a whole number from 1 to 60'
const COUNTERS = 'must be a whole number from 10 to 10,000'

export const statsOptions = z.strictObject({
  window: option(duration, 'The time span that is covered.', '1h'),
  slots: option(
    z.int(SLOTS).min(1, SLOTS).max(60, SLOTS),
    'Number of parts that the window is divided into.',
    12,
  ),
  counters: option(
    z.int(COUNTERS).min(10, COUNTERS).max(10_000, COUNTERS),
    'Number of counters for those who sent most.',
    200,
  ),
  every: option(duration, 'Time between two writes to a shared storage.', '10s'),
  share: option(z.boolean(), 'Whether the counts of all workers are added up.'),
})

/**
 * Options of {@link stats}.
 *
 * @example
 * ```ts
 * import { type StatsOptions, stats } from 'grammy-sentinel/stats'
 *
 * const options: StatsOptions = { window: '1d', slots: 24, counters: 1000 }
 * stats(options)
 * ```
 */
export interface StatsOptions {
  /** The period that is counted, at least a minute. @default '1h' */
  readonly window?: Duration | undefined
  /** Parts of the window, at most 60: when one begins, the oldest is dropped. Each takes some 50 kB. @default 12 */
  readonly slots?: number | undefined
  /**
   * Counters for who sent most, and as many for who was denied most, in each part. A count is too high by at most the number of
   * updates in the part divided by `counters`. From 10 to 10,000. @default 200
   */
  readonly counters?: number | undefined
  /** How often statistics are written to a shared storage, at least a second. @default '10s' */
  readonly every?: Duration | undefined
  /** Whether workers with a shared storage add up their statistics. @default whether the storage is remote */
  readonly share?: boolean | undefined
}

/**
 * Collects statistics of recent updates: how many users were active, who sent most, who was denied and why. For the option
 * `stats` of `sentinel()`; `guard.stats()` returns a report, and `formatStats()` formats it.
 *
 * It takes a fixed amount of memory, and its reports say how inexact each count may be. No update waits for it. Workers that share a
 * storage regularly write their statistics there, for the duration of the window, and a report adds up those of all workers.
 *
 * @param options See {@link StatsOptions}.
 * @throws SentinelError `option.invalid`, `option.unknown`, `duration.invalid`.
 *
 * @example
 * ```ts
 * import { Bot, type Context } from 'grammy'
 * import { sentinel, type SentinelFlavor } from 'grammy-sentinel'
 * import { formatStats, stats } from 'grammy-sentinel/stats'
 *
 * const bot = new Bot<Context & SentinelFlavor>('123:token')
 * const guard = sentinel({ stats: stats() })
 * bot.use(guard)
 * bot
 *   .filter((ctx) => ctx.from?.id === 1234567 && ctx.chat?.type === 'private') // it names people: the owner alone
 *   .command('stats', async (ctx) => ctx.reply(formatStats(await guard.stats(), 'text')))
 * ```
 */
export function stats(options: StatsOptions = {}): StatsPlugin {
  const settings = parseOptions('stats', statsOptions, options)
  const { window, slots, counters, every, share } = settings
  if (window < 60_000) throw invalid('window', `${window} ms is too short. Pass at least a minute.`)
  if (every < 1000) throw invalid('every', `${every} ms is too often for writes. Pass at least a second.`)
  return (host) =>
    new Recorder(host, { window, slots, counters, every, share: share ?? host.storage.remote === true })
}

function invalid(name: string, problem: string): SentinelError {
  return new SentinelError('option.invalid', `stats.${name}: ${problem}`)
}
