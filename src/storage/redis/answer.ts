import type { Ask, Decision, Receipt, RefusalCause } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import type { Limit } from '../../core/limit.js'
import type { RedisJudge } from './judge.js'
import type { LimitedColumn } from './script/layout.js'
import { ANSWER_HEAD, type PlanScript } from './script/plan-script.js'

const CAUSES: readonly RefusalCause[] = ['check', 'penalty', 'echo']
const NO_SHADOWS: readonly number[] = Object.freeze([])
const NOTICE = 4
const WAIVED = 8

/** What a script answers where it failed on one question. */
export const FAILED = -2

/** An answer of a script. What few ask for is read from its bytes when somebody does. */
export class RedisDecision implements Decision {
  readonly refusedBy: number
  protected readonly flags: number

  constructor(
    readonly judge: RedisJudge,
    readonly ask: Ask,
    protected readonly view: DataView,
    protected readonly from: number,
  ) {
    this.refusedBy = view.getInt8(from)
    this.flags = view.getUint8(from + 1)
  }

  get cause(): RefusalCause {
    return CAUSES[this.flags & 3] as RefusalCause
  }

  get notice(): boolean {
    return (this.flags & NOTICE) !== 0
  }

  get waived(): boolean {
    return (this.flags & WAIVED) !== 0
  }

  get retryAfterMs(): Ms {
    return this.view.getFloat64(this.from + 10, true)
  }

  get shadowRefusals(): readonly number[] {
    const bits = this.view.getUint32(this.from + 2, true)
    if (bits === 0) return NO_SHADOWS
    return this.judge.plan.checks.flatMap((_, index) => ((bits & (1 << index)) === 0 ? [] : [index]))
  }

  get remaining(): readonly number[] {
    const left = this.judge.plan.checks.map(() => Number.NaN)
    this.judge.script.layout.limited.forEach(({ index }, nth) => {
      left[index] = this.view.getFloat64(this.from + ANSWER_HEAD + nth * 8, true)
    })
    return left
  }

  get receipt(): Receipt | undefined {
    return undefined
  }
}

/** An admission: its own receipt. */
export class RedisAdmission extends RedisDecision implements Receipt {
  /** Completed or released. */
  settled = false
  /** Checks whose charge was given back, as bits. */
  refunded = 0

  constructor(
    judge: RedisJudge,
    ask: Ask,
    view: DataView,
    from: number,
    /** Fences the claims it took. */
    readonly serial: number,
  ) {
    super(judge, ask, view, from)
  }

  override get receipt(): Receipt {
    return this
  }

  /** The clock's time. */
  get at(): Ms {
    return this.view.getFloat64(this.from + 26, true)
  }

  /** The chain's own time, which never goes back. */
  get ownAt(): Ms {
    return this.view.getFloat64(this.from + 18, true)
  }

  /** Checks whose claim it took or whose limit it charged, as bits. */
  get charged(): number {
    return this.view.getUint32(this.from + 6, true)
  }

  /** The limit by which a check was charged. */
  limitOf({ index, check, variedIndex }: LimitedColumn): Limit {
    const own = this.ask.limits?.[index]
    if (own !== undefined) return own
    if (variedIndex < 0) return check.limit
    const { limited }: PlanScript['layout'] = this.judge.script.layout
    const at = this.from + ANSWER_HEAD + limited.length * 8 + variedIndex * 16
    return { amount: this.view.getFloat64(at, true), per: this.view.getFloat64(at + 8, true) }
  }
}
