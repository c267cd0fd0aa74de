import type { Consequence, RefusalCause } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'

/** The refusals of one subject by one check, and their consequences. */
export interface Penalty {
  violations: number
  countedUntil: Ms
  level: number
  bannedUntil: Ms
  forgetAt: Ms
  noticedUntil: Ms
}

const NEVER = Number.NEGATIVE_INFINITY

export function newPenalty(): Penalty {
  return {
    violations: 0,
    countedUntil: NEVER,
    level: 0,
    bannedUntil: NEVER,
    forgetAt: NEVER,
    noticedUntil: NEVER,
  }
}

/** Counts a refusal and begins a ban if there were too many. Returns whether a notice is due. */
export function punish(
  penalty: Penalty,
  { penalty: rule, noticeEvery }: Consequence,
  cause: RefusalCause,
  now: Ms,
): boolean {
  if (rule !== undefined && cause === 'check') {
    if (penalty.countedUntil <= now) {
      penalty.violations = 0
      penalty.countedUntil = now + rule.within
    }
    penalty.violations++
    if (penalty.violations >= rule.after) {
      if (penalty.forgetAt <= now) penalty.level = 0
      const ban = rule.bans[Math.min(penalty.level, rule.bans.length - 1)] as number
      penalty.level++
      penalty.bannedUntil = now + ban
      // A new ban makes a notice due, unless it is shorter than `noticeEvery`.
      if (ban >= (noticeEvery ?? 0)) penalty.noticedUntil = NEVER
      penalty.forgetAt = now + ban + Math.max(...rule.bans)
      penalty.countedUntil = NEVER
    }
  }
  if (noticeEvery === undefined || penalty.noticedUntil > now) return false
  penalty.noticedUntil = now + noticeEvery
  return true
}

/** Returns when nothing in the penalty matters any longer. */
export function penaltyEnd({ countedUntil, bannedUntil, forgetAt, noticedUntil }: Penalty): Ms {
  return Math.max(countedUntil, bannedUntil, forgetAt, noticedUntil)
}

export function readPenalty(cells: Float64Array): Penalty {
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

export function writePenalty(penalty: Penalty): Float64Array {
  const { violations, countedUntil, level, bannedUntil, forgetAt, noticedUntil } = penalty
  return Float64Array.of(violations, countedUntil, level, bannedUntil, forgetAt, noticedUntil)
}
