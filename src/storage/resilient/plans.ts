import type { Check, Judge, Plan } from '../../core/check.js'
import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { isLoading, SharedTimer } from '../../core/request-bound.js'
import type { Storage } from '../contract/storage.js'
import type { Line } from './line.js'
import { isOfTheCaller } from './reason.js'

/** Retry interval for a plan that the storage compiles too slowly, or not at all for lack of rights. Doubles with each attempt. */
const AGAIN: Ms = 5000
const AGAIN_AT_MOST: Ms = 60_000

/** A plan to be compiled by a storage, and where to put the judge. */
export interface Taker {
  readonly plan: Plan
  /** A later plan of the same name has been given. */
  readonly superseded?: boolean
  /** Receives the storage's judge. */
  take(own: Judge): void
}

interface PlansOptions {
  readonly storage: Storage
  readonly line: Line
  /** The clock for timers. */
  readonly steady: Clock
  readonly timers: Timers
  /** Receives errors that concern only one plan. */
  readonly failed: (error: unknown) => void
}

/** The plans that a storage has not compiled yet, because it was down or because of the plan. */
export class Plans {
  private readonly waiting = new Set<Taker>()
  /** By name: plans that failed although the storage has compiled others. */
  private readonly barred = new Map<string, Taker>()
  private readonly taken = new WeakSet<Taker>()
  private hasTaken = false
  private attempt = 0
  private readonly timer: SharedTimer
  private stopped = false

  constructor(private readonly options: PlansOptions) {
    this.timer = new SharedTimer(options.steady, options.timers)
  }

  /** Adds a plan to be compiled when the storage is back. */
  add(taker: Taker): void {
    this.waiting.add(taker)
  }

  /** Hands over a compiled plan. */
  took(taker: Taker, own: Judge): void {
    this.hasTaken = true
    this.waiting.delete(taker)
    this.taken.add(taker)
    this.barred.delete(taker.plan.name)
    this.options.line.answered()
    taker.take(own)
  }

  /**
   * Waits for a plan to be compiled, up to the time limit for first calls. If the previous plan's judge decides meanwhile, up to
   * the limit for any call. Never rejects.
   */
  async taking(taker: Taker, prepared: Promise<Judge>, meanwhile: boolean): Promise<void> {
    const { line } = this.options
    const done = unlessLoading(prepared).then(
      (own) => this.took(taker, own),
      (error) => {
        if (isOfTheCaller(error)) this.refused(error)
        else this.missed(taker, error)
      },
    )
    // Compilation continues in the background; until it ends, the previous plan decides.
    if (meanwhile) await line.try(() => done).catch(() => undefined)
    else await line.begin(() => done).catch((error) => this.late(taker, error))
  }

  /**
   * Handles a failed compilation. If the storage lacks the rights for this plan but has compiled others, it is up: only this plan
   * goes without it, which is reported and tried again in the background. After any other error the storage counts as down, and
   * probes try again.
   *
   * @returns Whether only this plan is affected.
   */
  missed(taker: Taker, error: unknown): boolean {
    // A later attempt has already succeeded, so the result of this one does not matter.
    if (this.taken.has(taker)) return false
    if (this.hasTaken && isBarred(error)) {
      this.bar(taker, error)
      return true
    }
    this.waiting.add(taker)
    this.options.line.circuit.trip(error)
    return false
  }

  /** Reports a plan that the storage will never accept. Other plans are not affected. */
  refused(error: unknown): void {
    this.options.line.circuit.noted(error)
    this.options.failed(error)
  }

  /** Compiles all waiting plans. Rejects if the storage compiles none of them. */
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

  /** Repeats the pending attempt if its timer was lost when the request ended. Called on the next request. */
  attend(): void {
    if (!this.timer.isLost || this.options.line.circuit.state !== 'closed') return
    // The timer is set first: this keeps other requests from doing the same work, and lets a later one repeat it if this one ends
    // too.
    this.arm()
    void this.askAgain()
  }

  stop(): void {
    this.stopped = true
    this.timer.off()
  }

  /**
   * Handles a compilation that takes too long. A storage that has never answered counts as down, and probes try again, since the
   * first attempt may never be answered. A storage that answers otherwise is up, and only this plan goes without it.
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
    const message = `prepare: the storage did not accept plan "${name}" in time. Until it does, memory decides that plan.`
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

  /** Never rejects: the reason for barring the plan was already reported. */
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

/**
 * Of a plan that is compiled while a worker is loaded, a failure says nothing about the storage. Then the promise stays pending,
 * and the first update hands the plan over again.
 */
export function unlessLoading(prepared: Promise<Judge>): Promise<Judge> {
  if (!isLoading()) return prepared
  return prepared.catch((error) =>
    isOfTheCaller(error) ? Promise.reject(error) : new Promise(() => undefined),
  )
}

function isBarred(error: unknown): boolean {
  return error instanceof SentinelError && error.code === 'storage.permission'
}

/**
 * Whether the judge of one plan may decide another for a while: both have the same checks on the same subjects, and differ only
 * in the amounts of limits and in their variants.
 */
export function isAlike(one: Plan, other: Plan): boolean {
  return one === other || shapeOf(one) === shapeOf(other)
}

function shapeOf({ scopes, checks }: Plan): string {
  return JSON.stringify([scopes, checks.map((check: Check) => ({ ...check, limit: 0, variants: 0 }))])
}
