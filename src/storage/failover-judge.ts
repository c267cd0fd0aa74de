import type { Ask, Decision, Judge, MaybePromise, Plan, Receipt, Settlement } from '../core/check.js'
import { isPromise } from '../core/check.js'
import type { Ms } from '../core/duration.js'
import type { Member } from './failover-member.js'
import { NOT_ASKED } from './resilient/line.js'
import { isOfTheCaller } from './resilient/reason.js'

/** Decides by the first storage that answers. Rejects with `storage.unavailable` where none does. */
export class FailoverJudge implements Judge {
  /** By storage: its own, once it has taken the plan. */
  readonly judges: (Judge | undefined)[]
  /** Those that took too long to take it; each is over when it was taken or has failed. */
  readonly late: Promise<void>[] = []

  constructor(
    readonly plan: Plan,
    private readonly members: readonly Member[],
  ) {
    this.judges = members.map(() => undefined)
  }

  /** Some storage decides by it. */
  get isTaken(): boolean {
    return this.judges.some((judge) => judge !== undefined)
  }

  /** Until one of the late has taken it. Rejects where all of them fail. */
  taken(): Promise<void> {
    return Promise.any(
      this.late.map(async (over) => {
        await over
        if (!this.isTaken) throw NOT_ASKED
      }),
    )
  }

  evaluate(ask: Ask, at?: Ms): MaybePromise<Decision> {
    for (const member of this.members) member.attend()
    return this.by(0, NOT_ASKED, (judge) => judge.evaluate(ask, at))
  }

  peek(ask: Ask, at?: Ms): MaybePromise<Decision> {
    return this.by(0, NOT_ASKED, (judge) => judge.peek(ask, at))
  }

  settle(receipt: Receipt, how: Settlement, check?: number): MaybePromise<void> {
    const { index, judge, inner } =
      receipt instanceof MemberReceipt ? receipt : { index: 0, judge: this.judges[0], inner: receipt }
    const member = this.members[index]
    if (judge === undefined || member === undefined) return
    return member.settle(judge, inner, how, ...(check === undefined ? [] : ([check] as const)))
  }

  /*
   * A storage that answers too late may have charged, and holds what the update claimed; nobody settles that. It is not asked
   * while it is down, and what it has counted until then is old when it is back.
   */
  private by(
    index: number,
    error: unknown,
    decide: (judge: Judge) => MaybePromise<Decision>,
  ): MaybePromise<Decision> {
    const member = this.members[index]
    if (member === undefined) return (this.members[0] as Member).line.refuse('evaluate', error)
    const judge = this.judges[index]
    if (judge === undefined) return this.by(index + 1, error, decide)
    const decided = member.line.ask(
      () => decide(judge),
      (error) => {
        if (isOfTheCaller(error)) throw error
        return this.by(index + 1, error, decide)
      },
    )
    // Receipts of the first storage are not wrapped, since nearly all are its.
    if (index === 0) return decided
    if (isPromise(decided)) return decided.then((decision) => this.signed(decision, index, judge))
    return this.signed(decided, index, judge)
  }

  private signed(decision: Decision, index: number, judge: Judge): Decision {
    const { receipt } = decision
    if (receipt === undefined || receipt instanceof MemberReceipt) return decision
    const { refusedBy, cause, retryAfterMs, shadowRefusals, notice, waived } = decision
    return {
      refusedBy,
      cause,
      retryAfterMs,
      // Read when somebody asks, as the storage has it.
      get remaining() {
        return decision.remaining
      },
      shadowRefusals,
      notice,
      waived,
      receipt: new MemberReceipt(receipt, index, judge),
    }
  }
}

/** A receipt of another storage than the first. */
class MemberReceipt implements Receipt {
  constructor(
    readonly inner: Receipt,
    readonly index: number,
    readonly judge: Judge,
  ) {}

  get ask(): Ask {
    return this.inner.ask
  }

  get at(): Ms {
    return this.inner.at
  }
}
