import { isPromise, type MaybePromise } from '../../core/check.js'
import type { Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { setIfAllowed } from '../../core/request-bound.js'

/** Longer than our own storages may take. */
const WITHIN: Ms = 15_000

/** Rejects if a storage neither begins to report changes nor refuses to. If it begins later, it is told to stop. */
export function watchInTime(watching: MaybePromise<() => void>, timers: Timers): MaybePromise<() => void> {
  if (!isPromise(watching)) return watching
  return new Promise((resolve, reject) => {
    let isLate = false
    const callOff = setIfAllowed(timers, WITHIN, () => {
      isLate = true
      reject(
        new SentinelError(
          'storage.unavailable',
          `watch: the storage did not begin to report changes within ${WITHIN / 1000} seconds.`,
        ),
      )
    })
    // Nothing waits for a late watch to stop, so nothing would handle its error.
    watching.then((unwatch) => (isLate ? unwatch() : resolve(unwatch)), reject).then(callOff, ignore)
  })
}

function ignore(): void {}
