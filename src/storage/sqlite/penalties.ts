import type { Ms } from '../../core/duration.js'
import type { PenaltyState } from '../memory/consequence.js'

const NEVER = Number.NEGATIVE_INFINITY

export function newPenalty(): PenaltyState {
  return {
    violations: 0,
    countedUntil: NEVER,
    level: 0,
    bannedUntil: NEVER,
    forgetAt: NEVER,
    noticedUntil: NEVER,
  }
}

/** Returns when nothing in the penalty matters any longer. */
export function penaltyEnd({ countedUntil, bannedUntil, forgetAt, noticedUntil }: PenaltyState): Ms {
  return Math.max(countedUntil, bannedUntil, forgetAt, noticedUntil)
}

export function readPenalty(cells: Float64Array): PenaltyState {
  const [
    violations = 0,
    countedUntil = NEVER,
    level = 0,
    bannedUntil = NEVER,
    forgetAt = NEVER,
    noticedUntil = NEVER,
  ] = cells
  return { violations, countedUntil, level, bannedUntil, forgetAt, noticedUntil }
}

export function writePenalty(penalty: PenaltyState): Float64Array {
  const { violations, countedUntil, level, bannedUntil, forgetAt, noticedUntil } = penalty
  return Float64Array.of(violations, countedUntil, level, bannedUntil, forgetAt, noticedUntil)
}
