import {
  type Ask,
  type Decision,
  isPromise,
  type Judge,
  type MaybePromise,
  type Plan,
  type Receipt,
  type Settlement,
} from '../../core/check.js'
import type { Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { inTime } from '../../core/in-time.js'
import type { Storage, StorageHealth } from '../contract/storage.js'
import { MemoryJudge } from '../memory/judge.js'
import { isDecision, noDecision } from '../shared/decisions.js'

/** Time limit for an unprotected storage. */
const WITHIN: Ms = 1000

/** Whether a storage is an unprotected one of the user's. A storage that declares itself `remote` is protected elsewhere. */
function isBare(storage: Storage): boolean {
  return storage.remote !== true
}

/** Returns a judge whose answers are on time and valid decisions, or an error. Judges of `memory()` are returned as they are. */
export function boundedJudge(judge: Judge, plan: Plan, storage: Storage, timers: Timers): Judge {
  return judge instanceof MemoryJudge || !isBare(storage) ? judge : new BoundedJudge(judge, plan, timers)
}

/** Applies the time limit to the preparation of a plan. */
export function boundedPrepare(preparing: Promise<Judge>, storage: Storage, timers: Timers): Promise<Judge> {
  return isBare(storage) ? bounded('prepare', preparing, timers) : preparing
}

/** Applies the time limit to the report of a storage's health. */
export function boundedHealth(storage: Storage, timers: Timers): MaybePromise<StorageHealth> {
  const health = storage.health()
  return isPromise(health) && isBare(storage) ? bounded('health', health, timers) : health
}

class BoundedJudge implements Judge {
  constructor(
    private readonly inner: Judge,
    private readonly plan: Plan,
    private readonly timers: Timers,
  ) {}

  evaluate(ask: Ask, at?: Ms): MaybePromise<Decision> {
    return this.checked('evaluate', this.inner.evaluate(ask, at))
  }

  peek(ask: Ask, at?: Ms): MaybePromise<Decision> {
    return this.checked('peek', this.inner.peek(ask, at))
  }

  settle(receipt: Receipt, how: Settlement, check?: number): MaybePromise<void> {
    const settled = this.inner.settle(receipt, how, check)
    return isPromise(settled) ? bounded('settle', settled, this.timers) : settled
  }

  private checked(what: string, decision: MaybePromise<Decision>): MaybePromise<Decision> {
    return isPromise(decision) ? bounded(what, decision, this.timers).then(this.sound) : this.sound(decision)
  }

  private readonly sound = (decision: Decision): Decision => {
    if (!isDecision(decision, this.plan)) throw noDecision()
    return decision
  }
}

function bounded<T>(what: string, work: Promise<T>, timers: Timers): Promise<T> {
  return inTime(
    work,
    WITHIN,
    timers,
    () =>
      new SentinelError(
        'storage.failed',
        `${what}: the storage did not answer within ${WITHIN} ms. If it is remote, let it say so by remote: true; then memory decides meanwhile.`,
      ),
  )
}
