import type { Listener } from '../hooks/events.js'
import type { Probe } from '../middleware/chain/probe.js'
import type { SentinelEvents } from '../middleware/events.js'
import type { SentinelHealth } from './health/data.js'

/**
 * The part of a sentinel that is needed to observe it; the result of `sentinel()` has it.
 *
 * @example
 * ```ts
 * import { sentinel } from 'grammy-sentinel'
 * import type { Observed } from 'grammy-sentinel/metrics'
 *
 * const guard: Observed = sentinel()
 * ```
 */
export interface Observed {
  probe(probe: Probe): () => void
  on<E extends keyof SentinelEvents>(event: E, listener: Listener<SentinelEvents[E]>): () => void
  health(): Promise<SentinelHealth>
}
