import type { Ask, Decision, Receipt, RefusalCause } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import type { Limit } from '../../core/limit.js'
import type { Judging } from './judging.js'

/** Shared by all decisions without shadow refusals. */
export const NO_SHADOWS: readonly number[] = Object.freeze([])

/** A refusal, or the answer to a peek. */
export class MemoryDecision implements Decision {
  readonly receipt = undefined

  constructor(
    readonly refusedBy: number,
    readonly cause: RefusalCause,
    readonly retryAfterMs: Ms,
    readonly remaining: readonly number[],
    readonly shadowRefusals: readonly number[],
    readonly notice: boolean,
    readonly waived: boolean,
  ) {}
}

/**
 * An admission, which is its own receipt. One is created per update, so it stores only what cannot be computed later; `remaining`
 * is read from the records on demand.
 */
export class MemoryAdmission implements Decision, Receipt {
  /** Whether it was completed or released. */
  settled = false
  /** Checks whose charge was refunded, as bits. */
  refunded = 0

  constructor(
    readonly judge: Judging,
    readonly ask: Ask,
    /** The time of the clock. */
    readonly at: Ms,
    /** The time of the judge's {@link Moment}, which never goes back. */
    readonly ownAt: Ms,
    /** Identifies this admission as the owner of its claims. */
    readonly serial: number,
    /** Checks that took a claim or charged a limit, as bits. */
    readonly charged: number,
    /** The limits in force, by check. Undefined if all are the plan's. */
    readonly limits: readonly Limit[] | undefined,
    readonly shadowRefusals: readonly number[],
    readonly waived: boolean,
  ) {}

  get refusedBy(): number {
    return -1
  }

  get cause(): RefusalCause {
    return 'check'
  }

  get retryAfterMs(): Ms {
    return 0
  }

  get notice(): boolean {
    return false
  }

  get receipt(): Receipt {
    return this
  }

  get remaining(): readonly number[] {
    return this.judge.remainingOf(this)
  }
}
