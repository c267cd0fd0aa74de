import type { Ask, Decision, Receipt, RefusalCause } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import type { Lease } from './lease.js'
import type { Refusal } from './refusals.js'
import type { SubjectLeases } from './subject-leases.js'

/** A remembered refusal: the decision that the storage would make, without a notice. */
export class RepeatedRefusal implements Decision {
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

/** The units that an ask took from one lease. */
export interface Part {
  readonly check: number
  readonly units: number
  readonly lease: Lease
  readonly held: SubjectLeases
}

/** Receipt of an admission paid wholly or partly from leases. */
export class LeasedReceipt implements Receipt {
  /** Checks whose units were refunded, as bits. */
  refunded = 0

  constructor(
    readonly ask: Ask,
    readonly at: Ms,
    /** The storage's own receipt; absent if the storage was not asked. */
    readonly inner: Receipt | undefined,
    readonly parts: readonly Part[],
  ) {}
}

/** An admission paid wholly or partly from leases. */
export class LeasedAdmission implements Decision {
  readonly refusedBy = -1
  readonly cause = 'check'
  readonly retryAfterMs = 0
  readonly notice = false
  readonly waived = false

  constructor(
    readonly receipt: LeasedReceipt,
    readonly remaining: readonly number[],
    readonly shadowRefusals: readonly number[],
  ) {}
}

/** Returns a decision of the storage with another `notice` or `remaining`, because a notice is owed or a lease has units left. */
export function retold(
  decision: Decision,
  notice: boolean,
  remaining: readonly number[] = decision.remaining,
): Decision {
  const { refusedBy, cause, retryAfterMs, shadowRefusals, waived, receipt } = decision
  return { refusedBy, cause, retryAfterMs, remaining, shadowRefusals, notice, waived, receipt }
}
