import { checkedClock } from '../../core/checked-clock.js'
import { checkedTimers } from '../../core/checked-timers.js'
import { quietTimers, steadyClock, systemClock } from '../../core/clock.js'
import type { Duration, Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import type { Storage } from '../contract/storage.js'
import { memory } from '../memory/memory.js'
import type { ResilientOptions } from '../resilient/options.js'
import { breakerOf, span, whole } from '../resilient/options.js'
import { ResilientStorage } from '../resilient/storage.js'

/*
 * Separate from `resilient()` because `sentinel()` loads this module on demand; as a part of the index, bundlers would treat it
 * as always needed.
 */

/** Leaves time to connect and to create the schema or scripts. */
const FIRST_TIMEOUT: Ms = 2000

/** Does what `resilient()` does, typed as the class. */
export function makeResilient(storage: Storage, options: ResilientOptions): ResilientStorage {
  const { clock = systemClock, timers = quietTimers, maxMarks = 1_000_000 } = options
  checkedClock(clock, 'resilient.clock')
  checkedTimers(timers, 'resilient.timers')
  const timeout = span('resilient.timeout', options.timeout ?? 250)
  return new ResilientStorage(storage, {
    timeout,
    firstTimeout: firstTimeout(options.firstTimeout, timeout),
    breaker: breakerOf('resilient.breaker', options.breaker),
    fallback: options.fallback ?? memory({ clock }),
    ownsFallback: options.fallback === undefined,
    spacing: span('resilient.probeEvery', options.probeEvery ?? 200),
    maxMarks: whole('resilient.maxMarks', maxMarks),
    clock,
    // Time-outs use the same clock as the timers.
    steady: options.timers === undefined ? steadyClock : clock,
    timers,
  })
}

function firstTimeout(given: Duration | undefined, timeout: Ms): Ms {
  if (given === undefined) return Math.max(FIRST_TIMEOUT, timeout)
  const first = span('resilient.firstTimeout', given)
  if (first >= timeout) return first
  throw new SentinelError(
    'option.invalid',
    `resilient.firstTimeout: ${first} ms is less than the timeout of ${timeout} ms. Pass at least that.`,
  )
}
