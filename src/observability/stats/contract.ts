import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Key } from '../../core/subject.js'
import type { Probe } from '../../middleware/chain/probe.js'
import type { Storage } from '../../storage/contract/storage.js'

/**
 * A user or sender in a report, with bounds for how often they occurred: exact counts would need unlimited memory.
 *
 * @example
 * ```ts
 * import type { StatsSubject } from 'grammy-sentinel'
 *
 * const line = ({ kind, id, atLeast, atMost }: StatsSubject): string => `${kind} ${id}: ${atLeast}-${atMost}`
 * ```
 */
export interface StatsSubject {
  /** `user`, or `sender` for channels and a group's anonymous administrators. */
  readonly kind: string
  readonly id: number
  readonly atLeast: number
  readonly atMost: number
}

/**
 * Statistics of a bot's recent updates, as plain JSON. It contains ids of people, so show it only to the owner.
 *
 * @example
 * ```ts
 * import type { StatsReport } from 'grammy-sentinel'
 *
 * const share = ({ denied, updates }: StatsReport): number => denied / Math.max(1, updates)
 * ```
 */
export interface StatsReport {
  /** Start of the window, in milliseconds since 1970. */
  readonly from: Ms
  readonly until: Ms
  /** Number of workers included: those with the same storage, name and bot. */
  readonly workers: number
  /**
   * Number of updates of known kinds. An admitted update that is delivered again, because its handler failed or took too long, is
   * counted once, with its first verdict.
   */
  readonly updates: number
  readonly allowed: number
  readonly denied: number
  /** Updates that guards in shadow mode would have denied, each counted once. */
  readonly shadow: number
  /** Number of different users who acted, as an estimate with a standard error of 1.6 %. */
  readonly active: number
  /** Updates by activity, in descending order. */
  readonly activities: readonly { readonly activity: string; readonly count: number }[]
  /** Denials by guard and reason, in descending order. */
  readonly denials: readonly { readonly guard: string; readonly reason: string; readonly count: number }[]
  /** Who sent the most updates, in descending order. */
  readonly talkers: readonly StatsSubject[]
  /** Who was denied most often, in descending order. */
  readonly refused: readonly StatsSubject[]
}

/**
 * Options of `guard.stats()`.
 *
 * @example
 * ```ts
 * import type { StatsQuery } from 'grammy-sentinel'
 *
 * const query: StatsQuery = { workers: 'this', top: 3 }
 * ```
 */
export interface StatsQuery {
  /** Statistics of this process, or of all that share its storage, name and a bot. @default 'all' with a shared storage, else 'this' */
  readonly workers?: 'this' | 'all' | undefined
  /** Length of the lists of talkers and of refused subjects, at most 1,000. @default 10 */
  readonly top?: number | undefined
}

/**
 * Records statistics for a sentinel: see `stats()` of `grammy-sentinel/stats`.
 *
 * @example
 * ```ts
 * import type { StatsRecorder } from 'grammy-sentinel'
 *
 * const close = (recorder: StatsRecorder): Promise<void> => recorder.close()
 * ```
 */
export interface StatsRecorder {
  readonly probe: Probe
  report(query?: StatsQuery): Promise<StatsReport>
  /** Removes subjects that are being erased from the statistics. Absent if the recorder cannot. */
  erase?(keys: readonly Key[]): Promise<void>
  /** Shares the statistics a last time and cancels its timer. */
  close(): Promise<void>
}

/**
 * The services that a sentinel provides to a recorder.
 *
 * @example
 * ```ts
 * import type { StatsHost, StatsPlugin } from 'grammy-sentinel'
 *
 * const counting = (host: StatsHost, plugin: StatsPlugin) => plugin(host)
 * ```
 */
export interface StatsHost {
  /** Name of the sentinel, the same in all workers. */
  readonly name: string
  readonly storage: Storage
  readonly clock: Clock
  readonly timers: Timers
  /** Reports an error that was handled. */
  failed(error: unknown, during: string): void
}

/**
 * Makes a recorder: the result of `stats()`, for the option `stats` of `sentinel()`.
 *
 * @example
 * ```ts
 * import { sentinel, type StatsPlugin } from 'grammy-sentinel'
 * import { stats } from 'grammy-sentinel/stats'
 *
 * const counting: StatsPlugin = stats({ window: '1d' })
 * sentinel({ stats: counting })
 * ```
 */
export type StatsPlugin = (host: StatsHost) => StatsRecorder
