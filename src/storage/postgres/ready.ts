import type { Ms } from '../../core/duration.js'
import type { Link } from './link.js'
import type { Subjects } from './subjects.js'

/** A schema that exists and is up to date. */
export interface Schema {
  readonly link: Link
  readonly subjects: Subjects
  /** Returns the SQL for the time, given a parameter that is the caller's time or null for the server's clock. */
  readonly time: (parameter: string) => string
}

/** Waits until the schema is up to date. The first use brings it there. */
export interface Ready {
  (): Promise<Schema>
  /** Returns the caller's time, or null for the server's clock. */
  readonly now: () => Ms | null
}

export const timeIn = (parameter: string): string =>
  `coalesce(${parameter}::float8, extract(epoch FROM clock_timestamp()) * 1000)`
