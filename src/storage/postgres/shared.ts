import type { Clock } from '../../core/clock.js'
import type { SentinelError } from '../../core/errors.js'
import type { Calls } from '../remote/calls.js'
import type { Functions } from './functions.js'
import type { Subjects } from './keys.js'
import type { Link } from './link.js'
import type { Settler } from './settler.js'

/** What judges of one storage share. */
export interface Shared {
  readonly link: Link
  readonly subjects: Subjects
  /** Absent: the server's clock. */
  readonly clock: Clock | undefined
  readonly settler: Settler
  readonly functions: Functions
  readonly calls: Calls
  /** Statements that one judge has out at once: two, so that one is read and written here while the server is at the other. */
  readonly callsOut: number
  /** Told of what went wrong, and was dealt with. */
  readonly onError: (error: SentinelError) => void
}
