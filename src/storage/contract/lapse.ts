import type { Ms } from '../../core/duration.js'
import type { Mark } from './storage.js'

/* When marks and values lapse. An `until` of Infinity means the same as none; it is stored as none, for which JSON has a form. */

export function endOf(until: Ms | undefined): Ms | undefined {
  return until === Number.POSITIVE_INFINITY ? undefined : until
}

export function withEnd(mark: Mark): Mark {
  const { until, ...endless } = mark
  return until === Number.POSITIVE_INFINITY ? endless : mark
}

/** Whether a mark or value has expired. */
export function isLapsed({ until }: { readonly until?: Ms | undefined }, now: Ms): boolean {
  return until !== undefined && until <= now
}
