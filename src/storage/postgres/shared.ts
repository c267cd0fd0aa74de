import type { Judge } from '../../core/check.js'
import type { Clock } from '../../core/clock.js'
import type { SentinelError } from '../../core/errors.js'
import type { Calls } from '../remote/calls.js'
import type { Functions } from './functions.js'
import type { Layout } from './layout.js'
import type { Link } from './link.js'
import type { Settler } from './settler.js'
import type { Subjects } from './subjects.js'

/** Shared by all judges of one storage. */
export interface Shared {
  readonly link: Link
  readonly subjects: Subjects
  /** Absent: the server's clock. */
  readonly clock: Clock | undefined
  readonly settler: Settler
  readonly functions: Functions
  readonly calls: Calls
  /** Numbers so many admissions, and returns the first number. */
  readonly nextSerial: (count: number) => number
  /** Maximum number of concurrent statements per judge. Two, so that one is prepared here while the server runs the other. */
  readonly callsOut: number
  /** Receives errors that were handled without failing a caller. */
  readonly onError: (error: SentinelError) => void
  /** Looks at the schema again. Afterwards `outdated` tells whether it is another one. */
  readonly look: () => Promise<unknown>
  /** Prepares the plan of a judge for the schema that is there now. */
  readonly succeed: (former: { readonly layout: Layout }) => Promise<Judge>
  /** The schema was dropped and created anew: the numbers of names and subjects known here belong to others there. */
  outdated: boolean
}
