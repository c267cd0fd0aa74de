import type { IBreaker } from 'cockatiel'
import { type Duration, type Ms, parseDuration } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'

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
