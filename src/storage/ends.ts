import type { Ms } from '../core/duration.js'
import type { Mark } from './storage.js'

/* An `until` of Infinity means the same as none. It is stored as none because JSON cannot represent Infinity. */

export function endOf(until: Ms | undefined): Ms | undefined {
  return until === Number.POSITIVE_INFINITY ? undefined : until
}

export function withEnd(mark: Mark): Mark {
  const { until, ...endless } = mark
  return until === Number.POSITIVE_INFINITY ? endless : mark
}
