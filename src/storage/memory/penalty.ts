import type { Consequence } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'

/** The penalty of one subject under one check. Few subjects have one, so it is an object beside the packed record. */
export class Penalty {
  bannedUntil = Number.NEGATIVE_INFINITY
  noticedUntil = Number.NEGATIVE_INFINITY
  /** The penalty of another check in the same record. */
  next: Penalty | undefined
  private violations = 0
  private countedUntil = Number.NEGATIVE_INFINITY
  private level = 0
  private forgetAt = Number.NEGATIVE_INFINITY

  constructor(readonly slot: string) {}

  /** Counts a violation and may begin a ban. A ban at least as long as `noticeEvery` makes a new notice due. */
  violated(penalty: NonNullable<Consequence['penalty']>, noticeEvery: Ms, now: Ms): void {
    if (penalty.bans.length === 0) return
    if (this.forgetAt <= now) this.level = 0
    if (this.countedUntil <= now) {
      this.violations = 0
      this.countedUntil = now + penalty.within
    }
    this.violations++
    if (this.violations < penalty.after) return
    const rung = Math.min(this.level, penalty.bans.length - 1)
    const ban = penalty.bans[rung] as Ms
    this.bannedUntil = now + ban
    if (ban >= noticeEvery) this.noticedUntil = Number.NEGATIVE_INFINITY
    this.level++
    this.violations = 0
    this.countedUntil = Number.NEGATIVE_INFINITY
    // The ladder is forgotten once the longest ban could have passed again without a new one.
    this.forgetAt = this.bannedUntil + Math.max(...penalty.bans)
  }

  /** Whether a notice is due; if so, none is due for the next `noticeEvery`. */
  takeNotice(noticeEvery: Ms, now: Ms): boolean {
    if (this.noticedUntil > now) return false
    this.noticedUntil = now + noticeEvery
    return true
  }

  /** Returns a copy that a peek may change. */
  copy(): Penalty {
    return Object.assign(new Penalty(this.slot), this)
  }

  /** When neither this penalty nor those linked after it matter any longer. */
  expiry(): Ms {
    const own = Math.max(this.noticedUntil, this.countedUntil, this.forgetAt)
    return this.next === undefined ? own : Math.max(own, this.next.expiry())
  }

  /**
   * Until when the record must not be evicted: while a ban, or the ladder of bans, is remembered. Violation counts and notices do
   * not protect a record, because a single refusal creates them: a flood of made-up subjects could fill the table.
   */
  keptUntil(): Ms {
    return this.next === undefined ? this.forgetAt : Math.max(this.forgetAt, this.next.keptUntil())
  }
}
