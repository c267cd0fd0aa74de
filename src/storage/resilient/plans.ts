import type { Check, Judge, Plan } from '../../core/check.js'
import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { SharedTimer } from '../../core/request-bound.js'
import type { Storage } from '../storage.js'
import type { Line } from './line.js'
import { isOfTheCaller } from './reason.js'

/** A plan that may not be made is asked for again after this, then after twice as long, and so on. */
const AGAIN: Ms = 5000
const AGAIN_AT_MOST: Ms = 60_000

/** Whose plan a storage is to take. */
export interface Taker {
  readonly plan: Plan
  /** A later plan of its name is on its way, or there. */
  readonly superseded?: boolean
  /** The storage has taken it. */
  take(own: Judge): void
}

export interface PlansOptions {
  readonly storage: Storage
  readonly line: Line
  /** What the timers go by. */
  readonly steady: Clock
  readonly timers: Timers
  /** Told why a plan was not taken that says nothing of the others. */
  readonly failed: (error: unknown) => void
}

/** Plans that a storage has not taken: for as long as it is down, or by themselves. */
export class Plans {
  private readonly waiting = new Set<Taker>()
  /** By name: those that its rights do not suffice for, though they did for others. */
  private readonly barred = new Map<string, Taker>()
  private readonly taken = new WeakSet<Taker>()
  private hasTaken = false
  private attempt = 0
  private readonly timer: SharedTimer
  private stopped = false

  constructor(private readonly options: PlansOptions) {
    this.timer = new SharedTimer(options.steady, options.timers)
  }

  /** To be taken when it is back. */
  add(taker: Taker): void {
    this.waiting.add(taker)
  }

  /** One was taken. */
  took(taker: Taker, own: Judge): void {
    this.hasTaken = true
    this.waiting.delete(taker)
    this.taken.add(taker)
    this.barred.delete(taker.plan.name)
    this.options.line.answered()
    taker.take(own)
  }

  /**
   * One is being taken: waits for that, though not for longer than what a storage was never asked before may take. Where something
   * decides it meanwhile, not for longer than for any answer. Does not reject.
   */
  async taking(taker: Taker, prepared: Promise<Judge>, meanwhile: boolean): Promise<void> {
    const { line } = this.options
    const done = prepared.then(
      (own) => this.took(taker, own),
      (error) => {
        if (isOfTheCaller(error)) this.refused(error)
        else this.missed(taker, error)
      },
    )
    // It goes on, and was decided by the plan before all the while.
    if (meanwhile) await line.try(() => done).catch(() => undefined)
    else await line.begin(() => done).catch((error) => this.late(taker, error))
  }

  /**
   * One was not taken. Who lacks the rights for this one, and had them for others, is well: so only this one is done without, told of and
   * tried again aside. For all else the storage is taken for down, and the probes ask again.
   *
   * @returns Whether it is this one alone.
   */
  missed(taker: Taker, error: unknown): boolean {
    // It has taken the plan since, when it was asked again. How the earlier question ended does not matter.
    if (this.taken.has(taker)) return false
    if (this.hasTaken && isBarred(error)) {
      this.bar(taker, error)
      return true
    }
    this.waiting.add(taker)
    this.options.line.circuit.trip(error)
    return false
  }

  /** It will never be taken: no reason to do without the storage for the others. */
  refused(error: unknown): void {
    this.options.line.circuit.noted(error)
    this.options.failed(error)
  }

  /** Asks for all that wait. Rejects while the storage takes none of them. */
  async probe(): Promise<void> {
    const barred: [Taker, unknown][] = []
    for (const taker of this.waiting) {
      try {
        this.took(taker, await this.options.storage.prepare(taker.plan))
      } catch (error) {
        if (isBarred(error)) {
          barred.push([taker, error])
          continue
        }
        if (!isOfTheCaller(error)) throw error
        this.refused(error)
      }
      this.waiting.delete(taker)
    }
    const [first] = barred
    if (first !== undefined && !this.hasTaken) throw first[1]
    for (const [taker, error] of barred) {
      this.waiting.delete(taker)
      this.bar(taker, error)
    }
  }

  /** Whoever asks next asks for what was to be asked for again, where the request that was to has ended. */
  attend(): void {
    if (!this.timer.isLost || this.options.line.circuit.state !== 'closed') return
    // The timer is set again first, so that no other request does this meanwhile, and a later one does if this request ends, too.
    this.arm()
    void this.askAgain()
  }

  stop(): void {
    this.stopped = true
    this.timer.off()
  }

  /**
   * One takes too long. Who has answered nothing yet is down, and asked anew by probes, for what was asked first may never be answered. Who
   * answers others is well: then it is this plan that is done without.
   */
  private late(taker: Taker, error: unknown): void {
    const { line } = this.options
    if (this.stopped || taker.superseded === true) return
    const { state } = line.circuit
    if (!line.reached || state === 'open') {
      this.waiting.add(taker)
      if (state !== 'open') line.circuit.trip(error)
      return
    }
    const { name } = taker.plan
    const message = `prepare: the storage has not taken plan "${name}" in time. Until it has, that plan is decided in memory.`
    this.bar(taker, new SentinelError('storage.unavailable', message))
  }

  private bar(taker: Taker, error: unknown): void {
    this.barred.set(taker.plan.name, taker)
    this.refused(error)
    this.attempt = 0
    this.arm()
  }

  private arm(): void {
    this.timer.off()
    if (this.barred.size === 0 || this.stopped) return
    const wait = Math.min(AGAIN_AT_MOST, AGAIN * 2 ** Math.min(this.attempt++, 10))
    this.timer.set(wait, () => void this.askAgain())
  }

  /** Does not reject: why it is barred was told. */
  private async askAgain(): Promise<void> {
    const { line, storage } = this.options
    for (const taker of this.barred.values()) {
      if (line.circuit.state !== 'closed') break
      try {
        this.took(taker, await line.try(async () => storage.prepare(taker.plan), true))
      } catch (error) {
        line.circuit.noted(error)
      }
    }
    this.arm()
  }
}

function isBarred(error: unknown): boolean {
  return error instanceof SentinelError && error.code === 'storage.permission'
}

/**
 * Whether what decides one plan may decide another for a moment: they ask the same of the same, and differ in no more than how much
 * limits let pass, and whom they let more.
 */
export function isAlike(one: Plan, other: Plan): boolean {
  return one === other || shapeOf(one) === shapeOf(other)
}

function shapeOf({ scopes, checks }: Plan): string {
  return JSON.stringify([scopes, checks.map((check: Check) => ({ ...check, limit: 0, variants: 0 }))])
}
