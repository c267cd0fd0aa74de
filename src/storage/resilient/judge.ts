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
import type { Ms } from '../../core/duration.js'
import { isDecision, noDecision } from '../decisions.js'
import { TimedOut } from './deadlines.js'
import type { Errand, Line } from './line.js'
import { askWhenDown, isClosed } from './plan.js'
import type { Settlements } from './settlements.js'

/** What the judges of one storage share. */
export interface Bench {
  readonly line: Line
  readonly settlements: Settlements
  /** A bot has asked. */
  met(bot: number): void
  /** Decisions that the storage did not make. */
  readonly counts: { instead: number }
}

/** Decides by a storage in time, and in its place where it does not answer. Rejects nothing. */
export class ResilientJudge implements Judge {
  /** The storage's own, once it has taken the plan; until then that of the plan before, where that is alike. */
  remote: Judge | undefined = undefined
  superseded = false
  private readonly fitting: (ask: Ask) => Ask
  private readonly closed: readonly boolean[]

  constructor(
    readonly plan: Plan,
    /** Memory's, of the plan for when the storage is down. */
    private readonly local: Judge,
    private readonly bench: Bench,
  ) {
    this.fitting = askWhenDown(plan)
    this.closed = plan.checks.map(isClosed)
  }

  take(own: Judge): void {
    this.remote = own
  }

  evaluate(ask: Ask, at?: Ms): MaybePromise<Decision> {
    this.bench.met(ask.bot)
    const { remote } = this
    const { line } = this.bench
    // A storage that nobody probes is tried by updates, and is then also given the plan.
    if (remote === undefined && !line.circuit.isUnattended) return this.decide(ask, at)
    return line.run(new Evaluation(this, remote, ask, at))
  }

  peek(ask: Ask, at?: Ms): MaybePromise<Decision> {
    const { remote } = this
    const instead = (): MaybePromise<Decision> => this.told(this.local.peek(this.fitting(ask), at), undefined)
    return remote === undefined ? instead() : this.bench.line.ask(() => remote.peek(ask, at), instead)
  }

  settle(receipt: Receipt, how: Settlement, check?: number): MaybePromise<void> {
    // A receipt is settled where it came from: one of memory in memory, even if the storage is back.
    if (receipt instanceof LocalReceipt) return this.settleLocal(receipt, how, check)
    const { remote } = this
    if (remote !== undefined) return this.settleRemote(remote, receipt, how, check)
  }

  private settleLocal(receipt: LocalReceipt, how: Settlement, check: number | undefined): MaybePromise<void> {
    const { twin } = receipt
    twin?.ends.push({ how, check })
    if (twin?.late !== undefined) this.settleTwin(twin, twin.late)
    return receipt.judge.settle(receipt.inner, how, check)
  }

  private settleRemote(
    remote: Judge,
    receipt: Receipt,
    how: Settlement,
    check: number | undefined,
  ): MaybePromise<void> {
    const { line, settlements } = this.bench
    return line.ask(
      () => remote.settle(receipt, how, check),
      (error) => {
        if (settlements.givesUp(error) || settlements.keep(remote, receipt, how, check)) return
        return line.refuse(
          'settle',
          error,
          ' Too many settlements wait for it already; this one is given up.',
        )
      },
    )
  }

  /** In memory, by the plan for when the storage is down. */
  decide(ask: Ask, at: Ms | undefined, twin?: Twin): MaybePromise<Decision> {
    this.bench.counts.instead++
    return this.told(this.local.evaluate(this.fitting(ask), at), twin)
  }

  private told(decision: MaybePromise<Decision>, twin: Twin | undefined): MaybePromise<Decision> {
    if (isPromise(decision)) return decision.then((later) => this.toldNow(later, twin))
    return this.toldNow(decision, twin)
  }

  private toldNow(decision: Decision, twin: Twin | undefined): Decision {
    const { refusedBy } = decision
    if (refusedBy >= 0) {
      if (twin !== undefined) twin.refused = true
      const cause = this.closed[refusedBy] === true ? 'unavailable' : decision.cause
      return new LocalDecision(decision, cause, undefined)
    }
    const { receipt } = decision
    const own = receipt === undefined ? undefined : new LocalReceipt(receipt, this.local, twin)
    return new LocalDecision(decision, decision.cause, own)
  }

  /**
   * The storage has answered too late, when memory had. If it admitted the update it has charged for it, and holds its
   * claims: what memory refused is given back at once, and what memory admitted ends in both places alike.
   */
  settleLate(twin: Twin, { receipt }: Decision): void {
    if (receipt === undefined) return
    twin.late = receipt
    if (twin.refused)
      twin.ends.push({ how: 'refund', check: undefined }, { how: 'release', check: undefined })
    this.settleTwin(twin, receipt)
  }

  private settleTwin(twin: Twin, receipt: Receipt): void {
    for (const { how, check } of twin.ends.splice(0)) {
      // Kept rather than sent: the storage was too slow a moment ago, and nobody waits for this.
      this.bench.settlements.keep(twin.remote, receipt, how, check)
    }
  }
}

/** One update, asked of the storage. */
class Evaluation implements Errand<Decision> {
  private twin: Twin | undefined
  private isOver = false

  constructor(
    private readonly judge: ResilientJudge,
    private remote: Judge | undefined,
    private readonly ask: Ask,
    private readonly at: Ms | undefined,
  ) {}

  work(): MaybePromise<Decision> {
    // It took too long to see whether the storage is back, and the update was decided in another way.
    if (this.isOver) throw noDecision()
    this.remote ??= this.judge.remote
    // The storage is back and only lacks this plan. So this plan is decided in memory, and nothing else.
    if (this.remote === undefined) return this.judge.decide(this.ask, this.at)
    return this.remote.evaluate(this.ask, this.at)
  }

  instead(error: unknown): MaybePromise<Decision> {
    this.isOver = true
    if (error instanceof TimedOut && this.remote !== undefined) this.twin = new Twin(this.remote)
    return this.judge.decide(this.ask, this.at, this.twin)
  }

  isSound(decision: Decision): boolean {
    return isDecision(decision, this.judge.plan)
  }

  late(decision: Decision): void {
    if (this.twin !== undefined) this.judge.settleLate(this.twin, decision)
  }
}

/** The storage's view of an update that memory has decided, since the storage was too slow. */
class Twin {
  /** The storage's receipt, once it came. */
  late: Receipt | undefined
  /** Memory refused the update. */
  refused = false
  /** How the update ended, as far as the storage was not told. */
  readonly ends: { readonly how: Settlement; readonly check: number | undefined }[] = []

  constructor(readonly remote: Judge) {}
}

/** A receipt of memory's. */
class LocalReceipt implements Receipt {
  constructor(
    readonly inner: Receipt,
    readonly judge: Judge,
    readonly twin: Twin | undefined,
  ) {}

  get ask(): Ask {
    return this.inner.ask
  }

  get at(): Ms {
    return this.inner.at
  }
}

/** A decision of memory's, under a name or with a receipt of its own. */
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
