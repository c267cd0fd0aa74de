import { checkNames } from '../core/option-names.js'
import type { Storage } from './contract/storage.js'
import { makeResilient } from './protection/make-resilient.js'
import type { ResilientOptions } from './resilient/options.js'

/**
 * Puts time-outs, a circuit breaker and a fallback around a storage that may fail. Every update is decided within `timeout`, the
 * first within `firstTimeout`; while the storage is down, without a round trip, according to each guard's `onFailure`.
 * `sentinel()` does this for every storage that is `remote`; call it yourself to change the options.
 *
 * While the storage is down
 * - limits, claims and the like are decided in memory, starting empty: a subject that had used up a limit gets a fresh one;
 * - marks (blocks, roles) that a plan reads come from the last known copy, which is updated in the background: the latest changes
 *   by other processes may be missing, and all marks are if the storage was never reached;
 * - `marks.put` and `marks.remove` reject with `storage.unavailable`, but take effect in this process at once and are written
 *   when the storage is back, unless it holds something newer;
 * - `users`, `values` and sessions reject, but a storage that only refuses to write is still read;
 * - the storage is probed in the background and used again as soon as it answers.
 *
 * @param storage The storage to protect. Synchronous answers are used as they are, since they cannot be late.
 * @throws SentinelError `option.unknown`, `option.invalid`, `duration.invalid`.
 *
 * @example
 * ```ts
 * import { memory, resilient, sentinel } from 'grammy-sentinel'
 *
 * const storage = resilient(memory(), { timeout: '100ms' }) // put the storage of yours in its place
 * const guard = sentinel({ storage })
 * guard.on('storage.down', ({ kind, reason }) => console.error(`${kind} is down: ${reason}`))
 * ```
 */
export function resilient(storage: Storage, options: ResilientOptions = {}): Storage {
  checkNames('resilient', options, [
    'timeout',
    'firstTimeout',
    'breaker',
    'fallback',
    'probeEvery',
    'maxMarks',
    'clock',
    'timers',
  ])
  return makeResilient(storage, options)
}
