import {
  type Ask,
  type Decision,
  isPromise,
  type Judge,
  type MaybePromise,
  type Plan,
  type Receipt,
  type RefusalCause,
  type Settlement,
} from '../../core/check.js'
import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { isDecision, noDecision } from '../shared/decisions.js'
import { AGAIN, type Errand, type Line } from './line.js'
import { askWhenDown, isClosed } from './plan.js'
import type { QueuedMarks } from './queued-marks.js'
import type { Settlements } from './settlements.js'
import { TimedOut } from './timed-calls.js'
import { Unwritten } from './unwritten.js'

/** Shared by all judges of one storage. */
export interface ResilientShared {
  readonly line: Line
  readonly settlements: Settlements
  readonly queued: QueuedMarks
  readonly clock: Clock
  /** Called when a bot asks. */
  met(bot: number): void
  /** Counts decisions made in place of the storage. */
  readonly counts: { instead: number }
}

/** Decides by a storage within a time limit, and by the fallback if the storage does not answer. Only `settle()` may reject. */
export class ResilientJudge implements Judge {
  /** The storage's judge, once it has compiled the plan. Until then, the judge of the previous plan if that is alike. */
  remote: Judge | undefined = undefined
  superseded = false
  private readonly fitting: (ask: Ask) => Ask
  private readonly closed: readonly boolean[]
  private readonly unwritten: Unwritten

  constructor(
    readonly plan: Plan,
    /** The fallback's judge, for the plan to use while the storage is down. */
    private readonly local: Judge,
    private readonly shared: ResilientShared,
  ) {
    this.fitting = askWhenDown(plan)
    this.closed = plan.checks.map(isClosed)
    this.unwritten = new Unwritten(plan, shared.queued, shared.clock)
  }

  take(own: Judge): void {
    this.remote = own
  }

  evaluate(ask: Ask, at?: Ms): MaybePromise<Decision> {
    this.shared.met(ask.bot)
    const { remote } = this
    const { line } = this.shared
    // If no probe is running, updates test the storage, which also makes it compile the plan.
    if (remote === undefined && !line.circuit.isUnattended) return this.decide(ask, at)
    const left = this.unwritten.left(ask)
    return left === undefined ? this.decide(ask, at) : line.run(new Evaluation(this, remote, ask, at, left))
  }

  peek(ask: Ask, at?: Ms): MaybePromise<Decision> {
    const { remote } = this
    const { line } = this.shared
    const instead = (): MaybePromise<Decision> => this.told(this.local.peek(this.fitting(ask), at), undefined)
    const left = this.unwritten.left(ask)
    if (remote === undefined || left === undefined) return instead()
    return line.ask(() => remote.peek(left, at), instead)
  }

  settle(receipt: Receipt, how: Settlement, check?: number): MaybePromise<void> {
    // A receipt is settled by the storage that issued it, so local receipts stay local even if the storage is back.
    if (receipt instanceof LocalReceipt) return this.settleLocal(receipt, how, check)
    const { remote } = this
    if (remote !== undefined) return this.settleRemote(remote, receipt, how, check)
  }

  private settleLocal(receipt: LocalReceipt, how: Settlement, check: number | undefined): MaybePromise<void> {
    const { lateAdmission } = receipt
    lateAdmission?.ends.push({ how, check })
    if (lateAdmission?.late !== undefined) this.settleAlike(lateAdmission, lateAdmission.late)
    return receipt.judge.settle(receipt.inner, how, check)
  }

  private settleRemote(
    remote: Judge,
    receipt: Receipt,
    how: Settlement,
    check: number | undefined,
  ): MaybePromise<void> {
    const { line, settlements } = this.shared
    return line.ask(
      () => remote.settle(receipt, how, check),
      (error) => {
        if (settlements.givesUp(error) || settlements.keep(remote, receipt, how, check)) return
        return line.refuse(
          'settle',
          error,
          ` Too many settlements wait for it already; this one is lost.${AGAIN}`,
        )
      },
    )
  }

  /** Decides by the fallback, using the plan for when the storage is down. */
  decide(ask: Ask, at: Ms | undefined, lateAdmission?: LateAdmission): MaybePromise<Decision> {
    this.shared.counts.instead++
    return this.told(this.local.evaluate(this.fitting(ask), at), lateAdmission)
  }

  private told(
    decision: MaybePromise<Decision>,
    lateAdmission: LateAdmission | undefined,
  ): MaybePromise<Decision> {
    if (isPromise(decision)) return decision.then((resolved) => this.toldNow(resolved, lateAdmission))
    return this.toldNow(decision, lateAdmission)
  }

  private toldNow(decision: Decision, lateAdmission: LateAdmission | undefined): Decision {
    const { refusedBy } = decision
    if (refusedBy >= 0) {
      if (lateAdmission !== undefined) lateAdmission.refused = true
      const cause = this.closed[refusedBy] === true ? 'unavailable' : decision.cause
      return new LocalDecision(decision, cause, undefined)
    }
    const { receipt } = decision
    const own = receipt === undefined ? undefined : new LocalReceipt(receipt, this.local, lateAdmission)
    return new LocalDecision(decision, decision.cause, own)
  }

  /**
   * Handles an answer of the storage that arrived after the fallback had decided. If the storage admitted the update, it has
   * charged it and holds its claims. If the fallback refused the update, this is refunded and released at once; if it admitted
   * the update, both admissions are settled alike.
   */
  settleLate(lateAdmission: LateAdmission, { receipt }: Decision): void {
    if (receipt === undefined) return
    lateAdmission.late = receipt
    if (lateAdmission.refused)
      lateAdmission.ends.push({ how: 'refund', check: undefined }, { how: 'release', check: undefined })
    this.settleAlike(lateAdmission, receipt)
  }

  private settleAlike(lateAdmission: LateAdmission, receipt: Receipt): void {
    for (const { how, check } of lateAdmission.ends.splice(0)) {
      // Queued rather than sent: the storage was too slow a moment ago, and no caller waits for this.
      this.shared.settlements.keep(lateAdmission.remote, receipt, how, check)
    }
  }
}

/** The evaluation of one update by the storage. */
class Evaluation implements Errand<Decision> {
  private lateAdmission: LateAdmission | undefined
  private isOver = false

  constructor(
    private readonly judge: ResilientJudge,
    private remote: Judge | undefined,
    private readonly ask: Ask,
    private readonly at: Ms | undefined,
    /** What the storage is asked. */
    private readonly left: Ask,
  ) {}

  work(): MaybePromise<Decision> {
    // The probe before this call took too long, and the update has already been decided otherwise.
    if (this.isOver) throw noDecision()
    this.remote ??= this.judge.remote
    // The storage is back but has not compiled this plan, so only this plan is decided locally.
    if (this.remote === undefined) return this.judge.decide(this.ask, this.at)
    return this.remote.evaluate(this.left, this.at)
  }

  instead(error: unknown): MaybePromise<Decision> {
    this.isOver = true
    if (error instanceof TimedOut && this.remote !== undefined)
      this.lateAdmission = new LateAdmission(this.remote)
    return this.judge.decide(this.ask, this.at, this.lateAdmission)
  }

  isSound(decision: Decision): boolean {
    return isDecision(decision, this.judge.plan)
  }

  late(decision: Decision): void {
    if (this.lateAdmission !== undefined) this.judge.settleLate(this.lateAdmission, decision)
  }
}

/** The storage's admission of an update that the fallback decided because the storage was too slow. */
class LateAdmission {
  /** The storage's receipt, once it has arrived. */
  late: Receipt | undefined
  /** Whether the fallback refused the update. */
  refused = false
  /** Settlements that the storage has not received yet. */
  readonly ends: { readonly how: Settlement; readonly check: number | undefined }[] = []

  constructor(readonly remote: Judge) {}
}

/** A receipt issued by the fallback. */
class LocalReceipt implements Receipt {
  constructor(
    readonly inner: Receipt,
    readonly judge: Judge,
    readonly lateAdmission: LateAdmission | undefined,
  ) {}

  get ask(): Ask {
    return this.inner.ask
  }

  get at(): Ms {
    return this.inner.at
  }
}

/** A decision of the fallback, with its own cause and receipt. */
class LocalDecision implements Decision {
  readonly alone = true

  constructor(
    private readonly inner: Decision,
    readonly cause: RefusalCause,
    readonly receipt: LocalReceipt | undefined,
  ) {}

  get refusedBy(): number {
    return this.inner.refusedBy
  }

  get retryAfterMs(): Ms {
    return this.inner.retryAfterMs
  }

  get remaining(): readonly number[] {
    return this.inner.remaining
  }

  get shadowRefusals(): readonly number[] {
    return this.inner.shadowRefusals
  }

  get notice(): boolean {
    return this.inner.notice
  }

  get waived(): boolean {
    return this.inner.waived
  }
}
