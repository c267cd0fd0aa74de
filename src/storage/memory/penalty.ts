import type { Ms } from '../../core/duration.js'
import type { PenaltyState } from './consequence.js'

/** The penalty of one subject under one check. Few subjects have one, so it is an object beside the packed record. */
export class Penalty implements PenaltyState {
  violations = 0
  countedUntil = Number.NEGATIVE_INFINITY
  level = 0
  bannedUntil = Number.NEGATIVE_INFINITY
  forgetAt = Number.NEGATIVE_INFINITY
  noticedUntil = Number.NEGATIVE_INFINITY
  /** The penalty of another check in the same record. */
  next: Penalty | undefined

  constructor(readonly slot: string) {}

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
