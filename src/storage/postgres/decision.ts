import type { Ask, Decision, Receipt, RefusalCause, Settlement } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import type { Ending } from '../remote/settling.js'
import type { Layout } from './layout.js'

/** What is needed to refund a charge of a limit. */
export interface Charged {
  readonly amount: number
  readonly per: Ms
}

/** Shared by all decisions without shadow refusals. */
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

/** The judge that admitted, as its receipts need it. */
export interface AdmittingJudge {
  readonly layout: Layout
  readonly moment: { readonly now: Ms }
  readonly shared: {
    readonly outdated: boolean
    readonly settler: {
      settle(receipt: PostgresReceipt, how: Settlement, only: number | undefined): Promise<void>
    }
  }
}

export class PostgresReceipt implements Receipt, Ending {
  /** Whether it was completed or released. */
  settled = false
  /** Checks whose charge was refunded, as bits. */
  refunded = 0
  ending: Promise<void> | undefined = undefined

  constructor(
    readonly judge: AdmittingJudge,
    readonly ask: Ask,
    /** The time of the clock. */
    readonly at: Ms,
    /** The bot's own time, which never goes back. */
    readonly own: Ms,
    /** Identifies this admission as the owner of its claims. */
    readonly serial: number,
    /** Checks that took a claim or charged a limit, as bits. */
    readonly charged: number,
    /** The limits in force, by check. Undefined if all are the plan's. */
    readonly limits: ReadonlyMap<number, Charged> | undefined,
  ) {}
}
