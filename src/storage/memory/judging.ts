import type { Decision, Plan } from '../../core/check.js'
import type { Key } from '../../core/subject.js'
import type { ClaimBook } from './claims.js'
import type { Column, ScopeLayout } from './layout.js'
import type { Holders } from './marks.js'
import type { Moment } from './moment.js'
import type { RecordTable } from './records.js'

/* What the parts of a memory judge need of each other, so that none of them imports the judge that is made of them. */

/** The state of one bot under one plan. */
export interface JudgedState {
  readonly bot: number
  /** By scope. */
  readonly tables: readonly RecordTable[]
  /** By check; only for claims. */
  readonly claims: readonly (ClaimBook | undefined)[]
  /** By check: the map of holders, if the check reads a single mark. */
  readonly soleHolders: readonly (Holders['held'] | undefined)[]
}

/** The judge of one plan. */
export interface Judging {
  readonly plan: Plan
  readonly columns: readonly Column[]
  readonly layouts: readonly ScopeLayout[]
  readonly moment: Moment
  /** Whether an earlier plan may hold state that has not been carried over. */
  readonly isContinued: boolean
  /** The judge of the latest plan of this name. */
  readonly latest: Judging
  stateOf(bot: number): JudgedState
  /** Returns the row of a subject, carrying it over from the earlier plan if needed, or -1. */
  rowOf(state: JudgedState, scope: number, key: Key): number
  /** Returns what is left at present of the limits of an admission. */
  remainingOf(admission: Decision): readonly number[]
}
