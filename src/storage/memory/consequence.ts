import type { Consequence, RefusalCause } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'

/** The refusals of one subject by one check, as far as consequences depend on them. A time that never was is minus infinity. */
export interface PenaltyState {
  violations: number
  /** When the violations are forgotten. */
  countedUntil: Ms
  /** How many bans have begun. */
  level: number
  bannedUntil: Ms
  /** When the level is forgotten. */
  forgetAt: Ms
  noticedUntil: Ms
}

/** Applies the consequence of a refusal. Returns whether a notice is due; if so, none is due for the next `noticeEvery`. */
export function applyConsequence(
  state: PenaltyState,
  { penalty, noticeEvery }: Consequence,
  cause: RefusalCause,
  now: Ms,
): boolean {
  // Refusals during a ban do not count as violations.
  if (penalty !== undefined && cause === 'check') countViolation(state, penalty, noticeEvery ?? 0, now)
  if (noticeEvery === undefined || state.noticedUntil > now) return false
  state.noticedUntil = now + noticeEvery
  return true
}

/** Counts a violation and may begin a ban. A ban at least as long as `noticeEvery` makes a new notice due. */
function countViolation(
  state: PenaltyState,
  { after, within, bans }: NonNullable<Consequence['penalty']>,
  noticeEvery: Ms,
  now: Ms,
): void {
  if (state.countedUntil <= now) {
    state.violations = 0
    state.countedUntil = now + within
  }
  state.violations++
  if (state.violations < after) return
  if (state.forgetAt <= now) state.level = 0
  const ban = bans[Math.min(state.level, bans.length - 1)] as Ms
  state.level++
  state.bannedUntil = now + ban
  if (ban >= noticeEvery) state.noticedUntil = Number.NEGATIVE_INFINITY
  state.countedUntil = Number.NEGATIVE_INFINITY
  // The ladder is forgotten once the longest ban could have passed again without a new one.
  state.forgetAt = state.bannedUntil + Math.max(...bans)
}
