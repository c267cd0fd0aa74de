import type { IBreaker } from 'cockatiel'
import type { Clock, Timers } from '../../core/clock.js'
import type { Duration } from '../../core/duration.js'
import { type Ms, parseDuration } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import type { Storage } from '../contract/storage.js'

/* Parses the options of storages that may fail. Errors (`option.invalid`, `duration.invalid`) name the option. */

/**
 * Trips after a number of consecutive failures. Written here because importing cockatiel creates an `AbortController`, which
 * keeps a worker from starting (ADR 35).
 */
class InARow implements IBreaker {
  /** Failures since the last success. */
  state = 0

  constructor(private readonly most: number) {}

  success(): void {
    this.state = 0
  }

  failure(): boolean {
    return ++this.state >= this.most
  }
}

export function breakerOf(option: string, breaker: number | IBreaker = 5): IBreaker {
  if (typeof breaker === 'number') return new InARow(whole(option, breaker))
  if (typeof breaker === 'object' && breaker !== null && typeof breaker.failure === 'function') return breaker
  throw new SentinelError(
    'option.invalid',
    `${option}: that is not a breaker. Pass a number of failures, or a breaker of cockatiel.`,
  )
}

export function whole(option: string, value: number): number {
  if (Number.isInteger(value) && value >= 1) return value
  throw new SentinelError(
    'option.invalid',
    `${option}: ${String(value)} must be a whole number of one or more.`,
  )
}

export function span(option: string, value: Duration): Ms {
  const ms = parseDuration(value, option)
  if (ms >= 1) return ms
  throw new SentinelError('option.invalid', `${option}: ${ms} ms is not a valid time. Pass 1 ms or more.`)
}

/**
 * Options of {@link resilient}. Durations are texts such as `'250ms'`, or milliseconds.
 *
 * @example
 * ```ts
 * import { memory, type ResilientOptions, resilient } from 'grammy-sentinel'
 *
 * const patient: ResilientOptions = { timeout: '1s', breaker: 20 }
 * resilient(memory(), patient) // put the storage of yours in its place
 * ```
 */
export interface ResilientOptions {
  /** How long an update waits for the storage. Calls that no update waits for may take eight times as long. @default '250ms' */
  readonly timeout?: Duration
  /**
   * How long an update waits, once, for a storage that is still connecting or still compiling the update's plan for the first
   * time, so that the first updates of a process are decided by the stored state. At least `timeout`.
   * @default '2s', or `timeout` if that is longer
   */
  readonly firstTimeout?: Duration
  /**
   * Number of consecutive failures after which the storage counts as down, or a breaker of cockatiel, such as
   * `new SamplingBreaker({ threshold: 0.5, duration: 10_000 })`. Every storage needs a breaker of its own. @default 5
   */
  readonly breaker?: number | IBreaker
  /**
   * Decides while the storage is down. It has no fallback itself, so choose a storage that cannot fail. A fallback passed here is
   * not closed with the storage. @default memory()
   */
  readonly fallback?: Storage
  /** Longest interval between two checks whether the storage is back. @default '200ms' */
  readonly probeEvery?: Duration
  /** Maximum number of marks in the copy, about 200 bytes each. Marks beyond it are treated as absent. @default 1_000_000 */
  readonly maxMarks?: number
  /** Tells the time. @default Date.now; time-outs use a monotonic clock */
  readonly clock?: Clock
  /** Schedules time-outs and probes. @default setTimeout, without keeping the process alive */
  readonly timers?: Timers
}
