import type { Clock } from '../../core/clock.js'
import type { Subjects } from './keys.js'
import type { Link } from './link.js'

/** A schema that is there and up to date. */
export interface Schema {
  readonly link: Link
  readonly subjects: Subjects
  /** The time in a statement, whose parameter is the caller's, or null for the server's clock. */
  readonly time: (parameter: string) => string
}

/** Waits until the schema is up to date: a first use brings it there. */
export interface Ready {
  (): Promise<Schema>
  /** Absent: the server's clock. */
  readonly clock: Clock | undefined
}

export const timeIn = (parameter: string): string =>
  `coalesce(${parameter}::float8, extract(epoch FROM clock_timestamp()) * 1000)`
