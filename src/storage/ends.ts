import type { Ms } from '../core/duration.js'
import type { Mark } from './storage.js'

/* Infinity is for good, as no end is; it is kept as none, since JSON has no word for it. */

export function endOf(until: Ms | undefined): Ms | undefined {
  return until === Number.POSITIVE_INFINITY ? undefined : until
}

export function withEnd(mark: Mark): Mark {
  const { until, ...endless } = mark
  return until === Number.POSITIVE_INFINITY ? endless : mark
}
