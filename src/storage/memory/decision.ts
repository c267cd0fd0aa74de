import type { Ask, Decision, Receipt, RefusalCause } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import type { Limit } from '../../core/limit.js'
import type { MemoryJudge } from './judge.js'

/** Shared by all decisions without one. */
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
 * An admission: its own receipt. One is made per update, so it holds only what cannot be told later; what is left
 * of the limits is read from the records when somebody asks.
 */
export class MemoryAdmission implements Decision, Receipt {
  /** Completed or released. */
  settled = false
  /** Checks whose charge was given back, as bits. */
  refunded = 0

  constructor(
    readonly judge: MemoryJudge,
    readonly ask: Ask,
    /** The clock's time. */
    readonly at: Ms,
    /** The judge's own time, which never goes back. */
    readonly ownAt: Ms,
    /** Fences the claims it took. */
    readonly serial: number,
    /** Checks that took a claim or charged a limit, as bits. */
    readonly charged: number,
    /** The limits in force by check, where they were not the plan's. */
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
