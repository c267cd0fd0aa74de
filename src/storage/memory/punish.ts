import type { Consequence, RefusalCause } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { applyConsequence } from './consequence.js'
import { Penalty } from './penalty.js'
import type { RecordTable } from './records.js'

/** The result of a consequence. */
export interface Outcome {
  readonly notice: boolean
  readonly bannedUntil: Ms
}

/** Applies the consequence of a refusal to a record, or only predicts it if `commit` is false. */
export function punish(
  table: RecordTable,
  row: number,
  slot: string,
  consequence: Consequence,
  cause: RefusalCause,
  now: Ms,
  commit: boolean,
): Outcome {
  const first = row < 0 ? undefined : table.penaltyOf(row)
  let penalty = first
  while (penalty !== undefined && penalty.slot !== slot) penalty = penalty.next
  if (penalty === undefined) {
    penalty = new Penalty(slot)
    penalty.next = first
    if (commit) table.setPenalty(row, penalty)
  } else if (!commit) penalty = penalty.copy()
  const notice = applyConsequence(penalty, consequence, cause, now)
  return { notice, bannedUntil: penalty.bannedUntil }
}

/** Returns the penalties of one record without that of one slot. */
export function withoutSlot(penalty: Penalty | undefined, slot: string): Penalty | undefined {
  if (penalty === undefined) return undefined
  const rest = withoutSlot(penalty.next, slot)
  if (penalty.slot === slot) return rest
  penalty.next = rest
  return penalty
}
