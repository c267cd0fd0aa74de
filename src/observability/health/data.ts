import type { Ms } from '../../core/duration.js'
import type { Tally } from '../../middleware/chain/tally.js'
import type { OutgoingHealth } from '../../outgoing/transformer.js'
import type { StorageHealth } from '../../storage/contract/storage.js'
import type { ActivityHealth } from '../../users/activity.js'

/**
 * The health of a sentinel.
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
  /** Whether the storage answers. */
  readonly ok: boolean
  readonly storage: StorageHealth
  /** Counts of updates by outcome, in this process. */
  readonly tally: Tally
  /** Ids of the bots that the sentinel has met. */
  readonly bots: readonly number[]
  /** When the last update came, in milliseconds since 1970; recorded from the first request for health on. */
  readonly lastUpdateAt?: Ms
  /** Notices and answers: those under way, and those dropped because too many were. */
  readonly background: { readonly running: number; readonly dropped: number }
  /** Updates that guards hold back, by guard: messages of a burst (`debounce`), updates waiting for a free place (`concurrency`). */
  readonly held: Readonly<Record<string, number>>
  /** Notices that were not sent because the budget was used up. */
  readonly unsaid: number
  /** Background hooks: those running, and those dropped because too many were. */
  readonly hooks: { readonly running: number; readonly dropped: number }
  /** True if all its webhooks are draining or the sentinel is closing; otherwise absent. */
  readonly draining?: boolean
  /** Statistics of outgoing calls, with the option `outgoing`. */
  readonly outgoing?: OutgoingHealth
  /** The state of activity recording, with `users: true`. */
  readonly activity?: ActivityHealth
}
