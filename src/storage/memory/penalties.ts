import type { Consequence, RefusalCause } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import type { RecordTable } from './records.js'

/** What one subject earned from one check. Few have one, so it is an object beside the packed record. */
export class Penalty {
  bannedUntil = Number.NEGATIVE_INFINITY
  noticedUntil = Number.NEGATIVE_INFINITY
  /** Of other checks of the same record. */
  next: Penalty | undefined
  private violations = 0
  private countedSince = Number.NEGATIVE_INFINITY
  private level = 0
  private forgetAt = Number.NEGATIVE_INFINITY

  constructor(readonly slot: string) {}

  /** Counts a violation; whether it is to be said. May begin a ban. */
  violated(consequence: Consequence, now: Ms): boolean {
    const { penalty, noticeEvery } = consequence
    if (penalty !== undefined && penalty.bans.length > 0) {
      if (this.forgetAt <= now) this.level = 0
      if (this.countedSince + penalty.within <= now) {
        this.violations = 0
        this.countedSince = now
      }
      this.violations++
      this.forgetAt = Math.max(this.forgetAt, this.countedSince + penalty.within)
      if (this.violations >= penalty.after) {
        const rung = Math.min(this.level, penalty.bans.length - 1)
        this.bannedUntil = now + (penalty.bans[rung] as Ms)
        this.level++
        this.violations = 0
        this.countedSince = Number.NEGATIVE_INFINITY
        // The ladder is forgotten once the longest ban could have passed again without a new one.
        this.forgetAt = this.bannedUntil + (penalty.bans.at(-1) as Ms)
      }
    }
    return noticeEvery !== undefined && this.takeNotice(noticeEvery, now)
  }

  /** Whether it is to be said that a ban is in force; counts nothing. */
  takeNotice(noticeEvery: Ms, now: Ms): boolean {
    if (this.noticedUntil > now) return false
    this.noticedUntil = now + noticeEvery
    return true
  }

  /** When nothing in this one, nor in those after it, matters any longer. */
  expiry(): number {
    const own = Math.max(this.bannedUntil, this.noticedUntil, this.forgetAt)
    return this.next === undefined ? own : Math.max(own, this.next.expiry())
  }
}

/** Applies the consequence of a refusal to a record; whether to say it. */
export function punish(
  table: RecordTable,
  row: number,
  slot: string,
  consequence: Consequence,
  cause: RefusalCause,
  now: Ms,
): boolean {
  const first = table.penaltyOf(row)
  let penalty = first
  while (penalty !== undefined && penalty.slot !== slot) penalty = penalty.next
  if (penalty === undefined) {
    penalty = new Penalty(slot)
    penalty.next = first
    table.setPenalty(row, penalty)
  }
  if (cause === 'check') return penalty.violated(consequence, now)
  // A ban that is in force earns no worse one.
  return consequence.noticeEvery !== undefined && penalty.takeNotice(consequence.noticeEvery, now)
}

/** The penalties of one record, less that of one check. */
export function withoutSlot(penalty: Penalty | undefined, slot: string): Penalty | undefined {
  if (penalty === undefined) return undefined
  const rest = withoutSlot(penalty.next, slot)
  if (penalty.slot === slot) return rest
  penalty.next = rest
  return penalty
}
