import type { Check, Consequence, RefusalCause } from '../../core/check.js'
import type { Memory } from './state.js'

export function bannedUntil(memory: Memory, { onRefusal }: Check, state: string): number {
  if (onRefusal?.penalty === undefined) return Number.NEGATIVE_INFINITY
  return memory.penalties.get(state)?.bannedUntil ?? Number.NEGATIVE_INFINITY
}

export function punish(
  memory: Memory,
  consequence: Consequence | undefined,
  state: string,
  cause: RefusalCause,
): boolean {
  if (consequence === undefined) return false
  const never = Number.NEGATIVE_INFINITY
  const now = memory.own
  const found = memory.penalties.get(state)
  const penalty = found ?? {
    violations: 0,
    countedUntil: never,
    level: 0,
    bannedUntil: never,
    forgetAt: never,
    noticedUntil: never,
  }
  memory.penalties.set(state, penalty)
  const rule = consequence.penalty
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
      if (ban >= (consequence.noticeEvery ?? 0)) penalty.noticedUntil = never
      penalty.forgetAt = now + ban + Math.max(...rule.bans)
      penalty.countedUntil = never
    }
  }
  if (consequence.noticeEvery === undefined || penalty.noticedUntil > now) return false
  penalty.noticedUntil = now + consequence.noticeEvery
  return true
}
