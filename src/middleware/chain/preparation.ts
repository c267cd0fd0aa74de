import { isPromise, type Judge, type Plan } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError, type SentinelErrorCode } from '../../core/errors.js'
import { Heartbeat } from '../../core/request-bound.js'
import { checkPlan } from '../../storage/contract/plan.js'
import { boundedJudge, boundedPrepare } from '../../storage/protection/bounded.js'
import type { Services } from '../services.js'
import { type Probe, probedJudge } from './probe.js'

/** How long to wait before handing over the plan again after a storage failed to take it. */
const PREPARE_AGAIN: Ms = 5000

/** Hands the plan of a chain to its storage, and keeps the judge compiled from it. */
export class Preparation {
  /** The judge of the latest plan that the storage has taken. */
  judge: Judge | undefined
  /** Whether the storage has taken the first plan, or failed to. */
  private answered = false
  private preparing: Promise<void> | undefined
  private readonly heartbeat: Heartbeat
  private again: Ms = 0
  /** Number of plans handed over. If two are pending, the later one wins. */
  private turn = 0
  private taken = 0
  /** The judge as the storage returned it, without the probe. */
  private bare: { readonly judge: Judge; readonly plan: Plan } | undefined
  private watched: Probe | undefined
  private readonly unlisten: (() => void) | undefined
  private callOff: (() => void) | undefined
  private stopped = false

  /** @param forUpdate True if it is created while an update waits: then a storage that throws must not stop the update. */
  constructor(
    private readonly services: Services,
    private readonly planOf: () => Plan,
    forUpdate: boolean,
  ) {
    this.heartbeat = new Heartbeat(services.steady)
    try {
      this.prepare()
    } catch (error) {
      // No storage will ever run an invalid plan, so its guards are refused like others that cannot be wired.
      if (!forUpdate || isOf(error, 'plan.invalid')) throw error
      this.notPrepared(error)
    }
    this.unlisten = services.runtime?.onChange(() => this.renew())
  }

  /** Pending while the storage takes the first plan; updates wait for that. During later attempts updates do not wait. */
  get first(): Promise<void> | undefined {
    const under = this.underWay
    return this.answered ? undefined : under
  }

  /** Resolves to the judge once the storage has taken the plan. */
  async ready(): Promise<Judge | undefined> {
    await this.underWay
    return this.judge
  }

  /** Pending while the storage takes a plan, the first or a later one. */
  private get underWay(): Promise<void> | undefined {
    // The request in which the plan was handed over has ended, so the answer will never arrive.
    if (this.preparing !== undefined && this.heartbeat.isLost) this.renew()
    return this.preparing
  }

  /** Hands the plan over again while there is no judge, but not too often. */
  retry(): void {
    if (this.preparing !== undefined || this.services.steady() < this.again) return
    this.renew()
  }

  /** Ignores all later changes of limits. */
  stop(): void {
    this.stopped = true
    this.unlisten?.()
    this.callOff?.()
  }

  /** Sets the probe that sees what the judge is asked; undefined removes it. */
  probe(probe: Probe | undefined): void {
    this.watched = probe
    if (this.bare !== undefined) this.judge = probedJudge(this.bare.judge, this.bare.plan, probe)
  }

  /** Hands the present plan over. Until the storage has taken it, the previous one applies. */
  private renew(): void {
    if (this.stopped) return
    try {
      this.prepare()
    } catch (error) {
      this.notPrepared(error)
    }
  }

  private prepare(): void {
    const turn = ++this.turn
    const { services } = this
    this.heartbeat.beat()
    const own = this.planOf()
    const plan = services.runtime === undefined ? own : services.runtime.planned(own)
    // Here, because a storage whose prepare() is async rejects later, which counts as an outage.
    checkPlan(plan)
    const prepared = services.storage.prepare(plan)
    if (!isPromise(prepared)) {
      this.take(prepared, plan, turn)
      return
    }
    const preparing = boundedPrepare(prepared, services.storage, services.timers)
      .then(
        (judge) => this.take(judge, plan, turn),
        (error) => this.notPrepared(error),
      )
      .then(() => {
        if (this.preparing === preparing) this.preparing = undefined
      })
    this.preparing = preparing
  }

  private take(judge: Judge, plan: Plan, turn: number): void {
    if (turn < this.taken) return
    this.taken = turn
    this.answered = true
    const bounded = boundedJudge(judge, plan, this.services.storage, this.services.timers)
    this.bare = { judge: bounded, plan }
    this.judge = probedJudge(bounded, plan, this.watched)
  }

  private notPrepared(error: unknown): void {
    this.answered = true
    this.again = this.services.steady() + PREPARE_AGAIN
    // After guard.close() an update may still be the first to reach these guards. The storage was closed on purpose then.
    if (!this.services.shared.closing || !isOf(error, 'storage.closed'))
      this.services.failed(error, 'storage.prepare')
    // With the judge of an earlier plan updates are decided and never retry, so a timer does.
    if (this.judge === undefined || this.stopped) return
    this.callOff?.()
    this.callOff = this.services.timers.after(PREPARE_AGAIN, () => this.renew())
  }
}

function isOf(error: unknown, code: SentinelErrorCode): boolean {
  return error instanceof SentinelError && error.code === code
}
