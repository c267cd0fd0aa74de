import { isPromise, type Judge, type Plan } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { Lease } from '../../core/request-bound.js'
import { boundedJudge, boundedPrepare } from '../../storage/bounded.js'
import type { Services } from '../services.js'
import { type Probe, probedJudge } from './probe.js'

/** How long after a storage failed to take the plan it is asked again. */
const PREPARE_AGAIN: Ms = 5000

/** The plan of a chain in the hands of its storage, and the judge made of it. */
export class Preparation {
  /** By the latest plan that the storage has taken. */
  judge: Judge | undefined
  /** The storage has taken the first plan, or failed to. */
  private answered = false
  private preparing: Promise<void> | undefined
  private readonly lease: Lease
  private again: Ms = 0
  /** Plans that were handed over: of two under way the later holds. */
  private turn = 0
  private taken = 0
  /** As the storage gave it, where a probe watches it. */
  private bare: { readonly judge: Judge; readonly plan: Plan } | undefined
  private watched: Probe | undefined
  private readonly unlisten: (() => void) | undefined
  private callOff: (() => void) | undefined
  private stopped = false

  /** @param late It is made while an update waits: a storage that throws must not stop it. */
  constructor(
    private readonly services: Services,
    private readonly planOf: () => Plan,
    private readonly failed: (error: unknown, during: string) => void,
    late: boolean,
  ) {
    this.lease = new Lease(services.clock)
    try {
      this.prepare()
    } catch (error) {
      if (!late) throw error
      this.notPrepared(error)
    }
    this.unlisten = services.runtime?.onChange(() => this.renew())
  }

  /** Set while the storage takes the first plan. Whoever asks meanwhile waits; while it is tried again nobody does. */
  get first(): Promise<void> | undefined {
    const under = this.underWay
    return this.answered ? undefined : under
  }

  /** The judge, once the storage has taken the plan. */
  async ready(): Promise<Judge | undefined> {
    await this.underWay
    return this.judge
  }

  /** Set while the storage takes a plan, the first or a later one. */
  private get underWay(): Promise<void> | undefined {
    // The request that it was handed over in has ended, so nobody will hear of it.
    if (this.preparing !== undefined && this.lease.isLost) this.renew()
    return this.preparing
  }

  /** There is no judge yet: the storage is asked again, though not all the time. */
  retry(): void {
    if (this.preparing !== undefined || this.services.clock() < this.again) return
    this.renew()
  }

  /** Nothing that changes from now on concerns it. */
  stop(): void {
    this.stopped = true
    this.unlisten?.()
    this.callOff?.()
  }

  /** Lets a probe see what the judge is asked; nobody, when undefined. */
  probe(probe: Probe | undefined): void {
    this.watched = probe
    if (this.bare !== undefined) this.judge = probedJudge(this.bare.judge, this.bare.plan, probe)
  }

  /** Hands the plan over as it is now; until the storage has taken it the one before holds. */
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
    this.lease.renew()
    const own = this.planOf()
    const plan = services.runtime === undefined ? own : services.runtime.planned(own)
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
    this.again = this.services.clock() + PREPARE_AGAIN
    this.failed(error, 'storage.prepare')
    // With a judge of an earlier plan updates are decided, and nobody asks again.
    if (this.judge === undefined || this.stopped) return
    this.callOff?.()
    this.callOff = this.services.timers.after(PREPARE_AGAIN, () => this.renew())
  }
}
