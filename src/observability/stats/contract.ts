import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Key } from '../../core/subject.js'
import type { Probe } from '../../middleware/chain/probe.js'
import type { Storage } from '../../storage/storage.js'

/**
 * Somebody in a report, and how often: between two numbers, since what is counted is bounded.
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
 * What a bot's updates were like, of late. Plain JSON. It names people: show it to the owner alone.
 *
 * @example
 * ```ts
 * import type { StatsReport } from 'grammy-sentinel'
 *
 * const share = ({ denied, updates }: StatsReport): number => denied / Math.max(1, updates)
 * ```
 */
export interface StatsReport {
  /** In milliseconds since 1970. */
  readonly from: Ms
  readonly until: Ms
  /** How many workers are counted: those that stand in front of the same bots. */
  readonly workers: number
  /**
   * What came, of the kinds that this version knows. What was let in and is delivered again, since its handler failed or took too long,
   * is counted once, as it fared at first.
   */
  readonly updates: number
  readonly allowed: number
  readonly denied: number
  /** Updates that guards in shadow would have denied, however many would. */
  readonly shadow: number
  /** How many different users acted: an estimate whose standard error is 1.6 %. */
  readonly active: number
  /** Updates by activity, most first. */
  readonly activities: readonly { readonly activity: string; readonly count: number }[]
  /** Denials by guard and reason, most first. */
  readonly denials: readonly { readonly guard: string; readonly reason: string; readonly count: number }[]
  /** Who sent most, most first. */
  readonly talkers: readonly StatsSubject[]
  /** Who was denied most, most first. */
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
  /** Of this process, or the sum of all that share its storage, its name and a bot. @default 'all' where the storage is shared, else 'this' */
  readonly workers?: 'this' | 'all' | undefined
  /** How many talkers, and how many of who was denied, 1,000 at most. @default 10 */
  readonly top?: number | undefined
}

/**
 * What a sentinel counts with: see `stats()` of `grammy-sentinel/stats`.
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
  /** Names these subjects no longer: they are being erased. Absent: it cannot. */
  erase?(keys: readonly Key[]): Promise<void>
  /** Shares what was counted a last time, and lets go of its timer. */
  close(): Promise<void>
}

/**
 * What a sentinel gives to what counts.
 *
 * @example
 * ```ts
 * import type { StatsHost, StatsPlugin } from 'grammy-sentinel'
 *
 * const counting = (host: StatsHost, plugin: StatsPlugin) => plugin(host)
 * ```
 */
export interface StatsHost {
  /** Of the sentinel, the same in all workers. */
  readonly name: string
  readonly storage: Storage
  readonly clock: Clock
  readonly timers: Timers
  /** Told what went wrong, and was dealt with. */
  failed(error: unknown, during: string): void
}

/**
 * Makes a sentinel count: what `stats()` gives, for the option `stats` of `sentinel()`.
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
