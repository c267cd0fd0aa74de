import type { MaybePromise, Plan, Receipt } from '../../core/check.js'
import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Announcement } from './announcements.js'
import type { RefusalMemory } from './refusals.js'

/** Shared by all judges of one hybrid storage. */
export interface HybridShared {
  readonly memory: RefusalMemory
  /** The plan of each admission, which may be settled after a later plan has been prepared. */
  readonly plans: WeakMap<Receipt, Plan>
  readonly counts: { answered: number; trips: number; leased: number; returned: number }
  /** For asks without a time; undefined: the storage's own clock decides. */
  readonly clock: Clock | undefined
  /** Measures how much time passes. */
  readonly steady: Clock
  readonly timers: Timers
  /** Maximum time that anything is remembered. */
  readonly longest: Ms
  /** Whether the storage reports changes. */
  readonly isWatching: boolean
  /** Sends an announcement to the other workers. */
  announce(bot: number, announcement: Announcement): MaybePromise<void>
  /** Does background work. Failures are reported as a condition. */
  aside(during: string, work: () => MaybePromise<unknown>): void
}
