import { type Duration, type Ms, parseDuration } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import type { CallResult } from './calls.js'

/**
 * What goes wrong with a call: an error Telegram answers, a delay before the call is served, or a cut connection
 * (`true`: before the call took effect, `'after'`: it took effect and the bot never learns).
 *
 * @example
 * ```ts
 * import type { Fault } from 'grammy-sentinel/testing'
 *
 * const faults: Fault[] = [
 *   { code: 429, retryAfter: 3 },
 *   { code: 403, description: 'Forbidden: user is deactivated' },
 *   { delay: '200ms' },
 *   { drop: true },
 * ]
 * export { faults }
 * ```
 */
export interface Fault {
  /** HTTP status and `error_code` of the answer. */
  readonly code?: number
  /** Default: Telegram's usual words for the code. */
  readonly description?: string
  /** Seconds, answered as `parameters.retry_after`. Default for 429: 1. */
  readonly retryAfter?: number
  /** Real time that passes before the call is served. */
  readonly delay?: Duration
  readonly drop?: boolean | 'after'
  /** How many calls it hits. Default: 1. */
  readonly times?: number
}

/**
 * Telegram's bad days, on demand.
 *
 * @example
 * ```ts
 * import { startTelegram } from 'grammy-sentinel/testing'
 *
 * const telegram = await startTelegram()
 * telegram.faults.next('sendMessage', { code: 429, retryAfter: 3 })
 * telegram.faults.next('getMe', { delay: '200ms' })
 * telegram.faults.clear()
 * await telegram.close()
 * ```
 */
export interface Faults {
  /** The next call of the method (or of any, `'*'`) fails so. Faults of one method queue up. */
  next(method: string, fault: Fault): void
  /** Forgets every fault that has not struck yet. */
  clear(): void
}

const WORDS = new Map([
  [400, 'Bad Request'],
  [401, 'Unauthorized'],
  [403, 'Forbidden'],
  [404, 'Not Found'],
  [409, 'Conflict'],
  [429, 'Too Many Requests'],
  [500, 'Internal Server Error'],
  [502, 'Bad Gateway'],
  [503, 'Service Unavailable'],
  [504, 'Gateway Timeout'],
])

export interface Strike {
  readonly delay: Ms
  readonly drop: boolean | 'after'
  readonly answer?: CallResult
}

export class FaultPlan implements Faults {
  readonly #planned = new Map<string, { fault: Fault; left: number }[]>()

  next(method: string, fault: Fault): void {
    if (fault.code === undefined && fault.delay === undefined && fault.drop === undefined)
      throw new SentinelError(
        'telegram.invalid',
        `faults.next: say what goes wrong: { code }, { delay } or { drop }.`,
      )
    if (fault.code !== undefined && !(Number.isInteger(fault.code) && fault.code >= 400 && fault.code <= 599))
      throw new SentinelError('telegram.invalid', `faults.next: code ${fault.code} is no error; use 400-599.`)
    if (fault.delay !== undefined) parseDuration(fault.delay, 'faults.next: delay')
    const key = method.toLowerCase()
    this.#planned.set(key, [...(this.#planned.get(key) ?? []), { fault, left: fault.times ?? 1 }])
  }

  clear(): void {
    this.#planned.clear()
  }

  take(method: string): Strike | undefined {
    const key = [method.toLowerCase(), '*'].find((name) => this.#planned.has(name))
    const planned = key === undefined ? undefined : this.#planned.get(key)
    const first = planned?.[0]
    if (key === undefined || planned === undefined || first === undefined) return undefined
    if (--first.left <= 0) planned.shift()
    if (planned.length === 0) this.#planned.delete(key)
    return strikeOf(first.fault)
  }
}

function strikeOf(fault: Fault): Strike {
  const strike = {
    delay: fault.delay === undefined ? 0 : parseDuration(fault.delay, 'faults.next: delay'),
    drop: fault.drop ?? false,
  }
  if (fault.code === undefined) return strike
  const retryAfter = fault.retryAfter ?? (fault.code === 429 ? 1 : undefined)
  const words = WORDS.get(fault.code) ?? 'Error'
  return {
    ...strike,
    answer: {
      ok: false,
      error_code: fault.code,
      description: fault.description ?? (fault.code === 429 ? `${words}: retry after ${retryAfter}` : words),
      ...(retryAfter !== undefined && { parameters: { retry_after: retryAfter } }),
    },
  }
}
