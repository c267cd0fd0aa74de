import type { Activity } from '../../src/core/kinds.js'
import type { ConcurrencyOptions } from '../../src/index.js'

/* What is written down while a story is played, for the invariants. */

/** One delivery of an update to a worker. */
export interface Delivery {
  readonly update: number
  readonly worker: number
  readonly order: number
  /** Whether its sender was blocked from the delivery until the end of its handling. */
  blocked: boolean
  ended: boolean
  error: unknown
}

/** One call of a handler. */
export interface Run {
  /** The update of its context. */
  readonly update: number
  /** All updates of the call: those of the burst, oldest first, or the one. */
  readonly updates: readonly number[]
  readonly worker: number
  readonly gathered: boolean
  /** The handler's own debounce gathered the updates, so the call holds no place of the sentinel's `concurrency`. */
  readonly ownBurst: boolean
  readonly activity: Activity
  readonly subjects: { readonly user: unknown; readonly chat: unknown }
  /** Position among all beginnings and ends. */
  readonly begun: number
  ended: number | undefined
  failed: boolean
}

/** What the events of a worker reported. */
export interface Told {
  readonly allowed: number[]
  /** Updates that the sentinel refused. */
  readonly denied: number[]
  /** Updates that the sentinel had admitted, and that their handler or a guard in front of it refused. */
  readonly deniedLater: { readonly update: number; readonly byHandler: boolean }[]
  /** Earlier messages of a burst whose last message a guard in front of the handler refused: only that one counts as denied. */
  readonly lost: Set<number>
  readonly errors: { readonly during: string; readonly error: unknown }[]
}

export class Records {
  readonly deliveries = new Map<number, Delivery[]>()
  readonly runs: Run[] = []
  readonly told: Told[] = []
  /** Broken promises, in words. */
  readonly faults: string[] = []
  /** Whether the options were changed while the workers ran. */
  reconfigured = false
  private moment = 0

  /** @param storageFails What was handled before the storage failed is not known while it does not answer. */
  constructor(readonly storageFails: boolean) {}

  fault(what: string): void {
    this.faults.push(what)
  }

  deliver(update: number, worker: number, blocked: boolean): Delivery {
    const order = this.moment++
    const delivery: Delivery = { update, worker, order, blocked, ended: false, error: undefined }
    this.deliveries.set(update, [...(this.deliveries.get(update) ?? []), delivery])
    return delivery
  }

  begin(run: Omit<Run, 'begun' | 'ended' | 'failed'>): Run {
    const begun = { ...run, begun: this.moment++, ended: undefined, failed: false }
    this.runs.push(begun)
    return begun
  }

  end(run: Run): void {
    run.ended = this.moment++
  }

  /** The largest number of calls that ran at the same time and counted for one subject of a `concurrency`, as a complaint. */
  crowded({ scope, most = 1 }: ConcurrencyOptions, covered: ReadonlySet<Activity>): string | undefined {
    const counted = this.runs.filter(({ ownBurst, activity }) => !ownBurst && covered.has(activity))
    for (const run of counted) {
      const subject = run.subjects[scope as 'user' | 'chat']
      const beside = counted.filter(
        (other) =>
          other.worker === run.worker &&
          other.subjects[scope as 'user' | 'chat'] === subject &&
          other.begun <= run.begun &&
          (other.ended ?? Number.POSITIVE_INFINITY) > run.begun,
      )
      if (subject !== undefined && beside.length > most)
        return `${beside.length} calls at once, ${most} allowed per ${scope}: ${beside.map(({ update }) => update)}`
    }
    return undefined
  }
}
