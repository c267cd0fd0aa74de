import type { Ask, Decision, Plan, Receipt, RefusalCause } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import type { Limit } from '../../core/limit.js'
import type { Ending } from '../remote/settling.js'
import type { LimitedColumn } from './script/layout.js'
import { ANSWER_HEAD, type PlanScript, SHORT, SHORT_ANSWER } from './script/plan-script.js'

const CAUSES: readonly RefusalCause[] = ['check', 'penalty', 'echo']
const NO_SHADOWS: readonly number[] = Object.freeze([])
const NOTICE = 4
const WAIVED = 8

/** The answer of a script to a question on which it failed. */
export const FAILED = -2

/** The answers of one call, and the server's times for those answers that do not contain their own. */
export interface Answers {
  readonly view: DataView
  readonly own: Ms
  readonly at: Ms
}

/** The judge that asked. */
interface AnsweredJudge {
  readonly plan: Plan
  readonly script: PlanScript
}

/** An answer of a script. Rarely used parts are read from its bytes on demand. */
export class RedisDecision implements Decision {
  readonly refusedBy: number

  constructor(
    readonly judge: AnsweredJudge,
    readonly ask: Ask,
    protected readonly answers: Answers,
    protected readonly from: number,
    protected readonly short: boolean,
  ) {
    this.refusedBy = short ? -1 : answers.view.getInt8(from)
  }

  private get flags(): number {
    return this.short ? 0 : this.answers.view.getUint8(this.from + 1)
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
    return this.short ? 0 : this.answers.view.getFloat64(this.from + 10, true)
  }

  get shadowRefusals(): readonly number[] {
    const bits = this.short ? 0 : this.answers.view.getUint32(this.from + 2, true)
    if (bits === 0) return NO_SHADOWS
    return this.judge.plan.checks.flatMap((_, index) => ((bits & (1 << index)) === 0 ? [] : [index]))
  }

  get remaining(): readonly number[] {
    const left = this.judge.plan.checks.map(() => Number.NaN)
    const first = this.from + (this.short ? SHORT_ANSWER : ANSWER_HEAD)
    this.judge.script.layout.limited.forEach(({ index }, nth) => {
      left[index] = this.answers.view.getFloat64(first + nth * 8, true)
    })
    return left
  }

  get receipt(): Receipt | undefined {
    return undefined
  }
}

/** An admission, which is its own receipt. */
export class RedisAdmission extends RedisDecision implements Receipt, Ending {
  /** Whether it was completed or released. */
  settled = false
  /** Checks whose charge was refunded, as bits. */
  refunded = 0
  ending: Promise<void> | undefined = undefined

  constructor(
    judge: AnsweredJudge,
    ask: Ask,
    answers: Answers,
    from: number,
    short: boolean,
    /** Identifies this admission as the owner of its claims. */
    readonly serial: number,
  ) {
    super(judge, ask, answers, from, short)
  }

  override get receipt(): Receipt {
    return this
  }

  /** The time of the clock. */
  get at(): Ms {
    return this.short ? this.answers.at : this.answers.view.getFloat64(this.from + 26, true)
  }

  /** The chain's own time, which never goes back. */
  get ownAt(): Ms {
    return this.short ? this.answers.own : this.answers.view.getFloat64(this.from + 18, true)
  }

  /** Checks that took a claim or charged a limit, as bits. */
  get charged(): number {
    return this.answers.view.getUint32(this.from + (this.short ? 1 : 6), true)
  }

  /** Returns the limit by which a check was charged. */
  limitOf({ index, check, variedIndex }: LimitedColumn): Limit {
    const own = this.ask.limits?.[index]
    if (own !== undefined) return own
    // Short answers are only given if no variant is in force.
    if (variedIndex < 0 || this.short) return check.limit
    const { limited }: PlanScript['layout'] = this.judge.script.layout
    const at = this.from + ANSWER_HEAD + limited.length * 8 + variedIndex * 16
    const { view } = this.answers
    return { amount: view.getFloat64(at, true), per: view.getFloat64(at + 8, true) }
  }
}

/** Returns the length of an answer in bytes. */
export function lengthOf(view: DataView, from: number, { answerBytes, layout }: PlanScript): number {
  return view.getInt8(from) === SHORT ? SHORT_ANSWER + layout.limited.length * 8 : answerBytes
}
