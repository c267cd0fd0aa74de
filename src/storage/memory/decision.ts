import type { Ask, Decision, RefusalCause } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import type { Limit } from '../../core/limit.js'

/** An admission remembers what it charged, so that it can be settled. */
export class MemoryDecision implements Decision {
  /** Completed or released. */
  settled = false
  /** Checks whose charge was given back. */
  refunded: number[] | undefined
  receipt: MemoryDecision | undefined

  constructor(
    readonly ask: Ask,
    /** The judge's own time, not the clock's. */
    readonly at: Ms,
    readonly refusedBy: number,
    readonly cause: RefusalCause,
    readonly retryAfterMs: Ms,
    readonly remaining: readonly number[],
    readonly shadowRefusals: readonly number[],
    readonly notice: boolean,
    readonly waived: boolean,
    /** Fences the claims it took. */
    readonly serial: number,
    /** The limits in force, where they were not the plan's. */
    readonly limits: readonly Limit[] | undefined,
  ) {}
}
