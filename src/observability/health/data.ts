import type { Ms } from '../../core/duration.js'
import type { Tally } from '../../middleware/chain/tally.js'
import type { OutgoingHealth } from '../../outgoing/outgoing.js'
import type { StorageHealth } from '../../storage/storage.js'
import type { ActivityHealth } from '../../users/activity.js'

/**
 * How a sentinel is.
 *
 * @example
 * ```ts
 * import { sentinel, type SentinelHealth } from 'grammy-sentinel'
 *
 * const line = ({ ok, storage, tally }: SentinelHealth) => `${ok} ${storage.kind} ${tally.denied} denied`
 * console.log(line(await sentinel().health())) // 'true memory 0 denied'
 * ```
 */
export interface SentinelHealth {
  /** Whether its storage answers. */
  readonly ok: boolean
  readonly storage: StorageHealth
  /** How many updates went which way, in this process. */
  readonly tally: Tally
  /** Ids of the bots it has met. */
  readonly bots: readonly number[]
  /** When the last update came, in milliseconds since 1970; noted from the first time on that health is asked for. */
  readonly lastUpdateAt?: Ms
  /** Notices and answers under way, and those given up because too much was. */
  readonly background: { readonly running: number; readonly dropped: number }
  /** Updates that guards hold back, by guard: messages of bursts (`debounce`), those that wait for a place (`concurrency`). */
  readonly held: Readonly<Record<string, number>>
  /** Notices not sent, to stay within the budget. */
  readonly unsaid: number
  /** Hooks that no update waits for under way, and those given up because too much was. */
  readonly hooks: { readonly running: number; readonly dropped: number }
  /** None of its webhooks lets updates in any longer, or it is closed. Absent as long as one does. */
  readonly draining?: boolean
  /** How what the bots send fares, with `outgoing`. */
  readonly outgoing?: OutgoingHealth
  /** How the noting of activity fares, with `users: true`. */
  readonly activity?: ActivityHealth
}
