import type { Ask, Decision, Receipt, RefusalCause } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import type { Lease } from './lease.js'
import type { Refusal } from './refusals.js'

/** A refusal that was remembered: what the storage would say, without a notice. */
export class NearRefusal implements Decision {
  readonly receipt = undefined
  readonly notice = false
  readonly waived = false
  readonly refusedBy: number
  readonly cause: RefusalCause
  readonly retryAfterMs: Ms
  readonly remaining: readonly number[]
  readonly shadowRefusals: readonly number[]

  constructor(refusal: Refusal, now: Ms) {
    this.refusedBy = refusal.check
    this.cause = refusal.cause
    this.retryAfterMs = Math.max(1, Math.ceil(refusal.end - now))
    this.remaining = refusal.remaining
    this.shadowRefusals = refusal.shadowRefusals
  }
}

/** What an ask took of one lease. */
export interface Part {
  readonly check: number
  readonly units: number
  readonly lease: Lease
}

/** Proof of an admission that was paid in part, or as a whole, out of leases. */
export class LeasedReceipt implements Receipt {
  /** Checks whose units were given back, as bits. */
  refunded = 0

  constructor(
    readonly ask: Ask,
    readonly at: Ms,
    /** Whether the caller told the time. */
    readonly told: boolean,
    /** The storage's own; absent where it was not asked. */
    readonly inner: Receipt | undefined,
    readonly parts: readonly Part[],
  ) {}
}

/** An admission that was paid in part, or as a whole, out of leases. */
export class LeasedAdmission implements Decision {
  readonly refusedBy = -1
  readonly cause = 'check'
  readonly retryAfterMs = 0
  readonly notice = false

  constructor(
    readonly receipt: LeasedReceipt,
    readonly remaining: readonly number[],
    readonly shadowRefusals: readonly number[],
    readonly waived: boolean,
  ) {}
}

/** A decision of the storage's that was told otherwise: a notice is owed, or something is left of a lease. */
export function retold(
  decision: Decision,
  notice: boolean,
  remaining: readonly number[] = decision.remaining,
): Decision {
  const { refusedBy, cause, retryAfterMs, shadowRefusals, waived, receipt } = decision
  return { refusedBy, cause, retryAfterMs, remaining, shadowRefusals, notice, waived, receipt }
}
