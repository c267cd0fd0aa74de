import { keySubject } from '../../core/subject.js'
import type { Mark, MarkEntry } from '../../storage/storage.js'
import type { Blocked } from './administration.js'

/** Converts a mark to an entry of the block list. */
export function blockedOf({ key, mark: { since, until, reason } }: MarkEntry): Blocked {
  return {
    subject: keySubject(key),
    since,
    ...(until === undefined ? {} : { until }),
    ...(reason === undefined ? {} : { reason }),
  }
}

/** Whether a mark has expired. */
export function lapsed({ until }: Mark, now: number): boolean {
  return until !== undefined && until <= now
}

export function isTime(value: unknown): value is number {
  return Number.isFinite(value)
}
