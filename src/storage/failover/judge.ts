import type { Ask, Decision, Judge, MaybePromise, Plan, Receipt, Settlement } from '../../core/check.js'
import { isPromise } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { NOT_ASKED } from '../resilient/line.js'
import { isOfTheCaller, UndecidedAsk } from '../resilient/reason.js'
import type { Unwritten } from '../resilient/unwritten.js'
import type { Member } from './member.js'

/** Decides by the first storage that answers. Rejects with `storage.unavailable` if none does. */
export class FailoverJudge implements Judge {
  /** The judge of each storage, once that storage has compiled the plan. */
  readonly judges: (Judge | undefined)[]
  /** Preparations that exceeded the time limit. Each resolves when its storage has compiled the plan or failed to. */
  readonly late: Promise<void>[] = []

  private readonly unwritten: readonly Unwritten[]

  constructor(
    readonly plan: Plan,
    private readonly members: readonly Member[],
  ) {
    this.unwritten = members.map((member) => member.unwrittenOf(plan))
    this.judges = members.map(() => undefined)
  }

  /** Takes the judges of the former plan, which decide until their storages have compiled this one. */
  takeOver(former: FailoverJudge): void {
    this.judges.splice(0, this.judges.length, ...former.judges)
  }

  /** Whether any storage has compiled the plan. */
  get isTaken(): boolean {
    return this.judges.some((judge) => judge !== undefined)
  }

  /** Resolves when one of the late storages has compiled the plan. Rejects if all of them fail. */
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
    return this.by(0, NOT_ASKED, ask, (judge, left) => judge.evaluate(left, at))
  }

  peek(ask: Ask, at?: Ms): MaybePromise<Decision> {
    return this.by(0, NOT_ASKED, ask, (judge, left) => judge.peek(left, at))
  }

  settle(receipt: Receipt, how: Settlement, check?: number): MaybePromise<void> {
    const { index, judge, inner } =
      receipt instanceof MemberReceipt ? receipt : { index: 0, judge: this.judges[0], inner: receipt }
    const member = this.members[index]
    if (judge === undefined || member === undefined) return
    return member.settle(judge, inner, how, check)
  }

  /*
   * A storage that answers too late may have charged the ask and hold its claims; this is never settled. The storage is not asked
   * while it is down, so this state has aged by the time it is back.
   */
  private by(
    index: number,
    error: unknown,
    ask: Ask,
    decide: (judge: Judge, left: Ask) => MaybePromise<Decision>,
  ): MaybePromise<Decision> {
    const member = this.members[index]
    if (member === undefined) return this.refuse(error, ask)
    const judge = this.judges[index]
    // What an earlier call has blocked or unblocked holds, also while this storage has not taken it.
    const left = this.unwritten[index]?.left(ask)
    if (judge === undefined || left === undefined) return this.by(index + 1, error, ask, decide)
    const decided = member.line.ask(
      () => decide(judge, left),
      (error) => {
        if (isOfTheCaller(error)) throw error
        return this.by(index + 1, error, ask, decide)
      },
    )
    // Receipts of the first storage, the usual case, are not wrapped.
    if (index === 0) return decided
    if (isPromise(decided)) return decided.then((decision) => this.signed(decision, index, judge))
    return this.signed(decided, index, judge)
  }

  /** No storage has decided. If one of them is up and only lacks marks for this ask, the caller may go on asking for others. */
  private refuse(error: unknown, ask: Ask): Promise<never> {
    const lacking = this.members.findIndex(
      ({ isUp }, index) =>
        isUp && this.judges[index] !== undefined && this.unwritten[index]?.left(ask) === undefined,
    )
    if (lacking < 0) return (this.members[0] as Member).line.refuse('evaluate', error)
    const message = `evaluate: storage ${lacking} has not received all marks for this yet, and no other storage decides it.`
    return Promise.reject(new UndecidedAsk('storage.unavailable', message))
  }

  private signed(decision: Decision, index: number, judge: Judge): Decision {
    const { receipt } = decision
    if (receipt === undefined || receipt instanceof MemberReceipt) return decision
    const { refusedBy, cause, retryAfterMs, shadowRefusals, notice, waived } = decision
    return {
      refusedBy,
      cause,
      retryAfterMs,
      // A getter, because the storage may compute this only when it is read.
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

/** A receipt from a storage other than the first. */
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
