import { checkedClock } from '../core/checked-clock.js'
import { quietTimers, steadyClock, systemClock } from '../core/clock.js'
import { memory } from './memory/memory.js'
import { breakerOf, span, whole } from './resilient/options.js'
import { ResilientStorage } from './resilient/storage.js'
import type { ResilientOptions } from './resilient.js'
import type { Storage } from './storage.js'

/*
 * Apart from `resilient()`, for `sentinel()` loads it when it is needed: bundlers would take what the index exports for something that is
 * always needed.
 */

/** What `resilient()` makes, told what it is. */
export function makeResilient(storage: Storage, options: ResilientOptions): ResilientStorage {
  const { clock = systemClock, timers = quietTimers, maxMarks = 1_000_000 } = options
  checkedClock(clock, 'resilient.clock')
  return new ResilientStorage(storage, {
    timeout: span('resilient.timeout', options.timeout ?? 250),
    breaker: breakerOf('resilient.breaker', options.breaker),
    fallback: options.fallback ?? memory({ clock }),
    ownsFallback: options.fallback === undefined,
    spacing: span('resilient.probeEvery', options.probeEvery ?? 200),
    maxMarks: whole('resilient.maxMarks', maxMarks),
    clock,
    // Time-outs go by the clock that timers go by.
    steady: options.timers === undefined ? steadyClock : clock,
    timers,
  })
}
