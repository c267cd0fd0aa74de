import type { Ask, Decision, Receipt, RefusalCause } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import type { Ending } from '../remote/settling.js'
import type { PostgresJudge } from './judge.js'

/** What is needed of a limit to give a charge of it back. */
export interface Charged {
  readonly amount: number
  readonly per: Ms
}

/** Shared by all decisions without one. */
export const NO_SHADOWS: readonly number[] = Object.freeze([])

export class PostgresDecision implements Decision {
  readonly receipt: Receipt | undefined

  constructor(
    readonly refusedBy: number,
    readonly cause: RefusalCause,
    readonly retryAfterMs: Ms,
    readonly remaining: readonly number[],
    readonly shadowRefusals: readonly number[],
    readonly notice: boolean,
    readonly waived: boolean,
    receipt?: PostgresReceipt,
  ) {
    this.receipt = receipt
  }
}

export class PostgresReceipt implements Receipt, Ending {
  /** Completed or released. */
  settled = false
  /** Checks whose charge was given back, as bits. */
  refunded = 0
  ending: Promise<void> | undefined = undefined

  constructor(
    readonly judge: PostgresJudge,
    readonly ask: Ask,
    /** The clock's time. */
    readonly at: Ms,
    /** The bot's own time, which never goes back. */
    readonly own: Ms,
    /** Fences the claims it took. */
    readonly serial: number,
    /** Checks that took a claim or charged a limit, as bits. */
    readonly charged: number,
    /** The limits in force by check, where they were not the plan's. */
    readonly limits: ReadonlyMap<number, Charged> | undefined,
  ) {}
}
