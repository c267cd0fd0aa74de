import { type Duration, formatDuration, type Ms, parseDuration } from './duration.js'
import { SentinelError } from './errors.js'

/**
 * So much per so long. `amount` is in units of cost (an update costs 1 unless you say otherwise); `burst` is
 * how much may come at once from a token bucket, and defaults to `amount`.
 */
export interface Limit {
  readonly amount: number
  readonly per: Ms
  readonly burst?: number
}

/**
 * A limit as developers write it: `'20/1m'` (twenty a minute), `'5/10s'`, `'1/s'`, or an object.
 *
 * @example
 * ```ts
 * import type { LimitInput } from 'grammy-sentinel'
 *
 * const plain: LimitInput = '20/1m'
 * const bursty: LimitInput = { amount: 60, per: '1m', burst: 30 }
 * ```
 */
export type LimitInput =
  | `${number}/${string}`
  | { readonly amount: number; readonly per: Duration; readonly burst?: number | undefined }

/** Above this many units a limit's arithmetic would no longer be exact to the millisecond. */
export const MOST_AMOUNT = 100_000
/** A year: the longest a limit may look back. */
export const MOST_PER: Ms = 366 * 86_400_000

const TEXT = /^(\d+(?:\.\d+)?)\/(\d.*|ms|s|m|h|d|w)$/

/**
 * Reads a {@link LimitInput}.
 *
 * @param input The limit; a text is `amount/duration`, and a bare unit means one of it (`'5/s'`).
 * @param what How an error names it: the option it was given to.
 * @throws SentinelError `limit.invalid` for anything else, for an amount that is not a whole number from 1 to
 * 100,000, and for a span of zero or over a year.
 *
 * @example
 * ```ts
 * import { parseLimit } from 'grammy-sentinel'
 *
 * parseLimit('20/1m') // { amount: 20, per: 60_000 }
 * ```
 */
export function parseLimit(input: LimitInput | string, what = 'limit'): Limit {
  if (typeof input === 'string') {
    const match = TEXT.exec(input.replaceAll(' ', ''))
    if (match === null) throw invalid(what, JSON.stringify(input.slice(0, 64)), 'is no limit')
    const span = match[2] as string
    return checked(Number(match[1]), /^\d/.test(span) ? span : `1${span}`, undefined, what)
  }
  if (input === null || typeof input !== 'object') throw invalid(what, String(input), 'is no limit')
  return checked(input.amount, input.per, input.burst, what)
}

/**
 * Writes a limit the way {@link parseLimit} reads it, the burst in brackets.
 */
export function formatLimit(limit: Limit): string {
  const text = `${limit.amount}/${formatDuration(limit.per)}`
  return limit.burst === undefined || limit.burst === limit.amount ? text : `${text} (burst ${limit.burst})`
}

/** How much may come at once. */
export function capacityOf(limit: Limit): number {
  return limit.burst ?? limit.amount
}

function checked(amount: number, per: Duration | string, burst: number | undefined, what: string): Limit {
  const span = spanOf(per, what)
  if (!isAmount(amount))
    throw invalid(what, String(amount), `must be a whole number from 1 to ${MOST_AMOUNT}`)
  if (span < 1 || span > MOST_PER) throw invalid(what, String(per), 'must be a span from 1 ms to 366 days')
  if (burst === undefined) return { amount, per: span }
  if (!isAmount(burst)) {
    throw invalid(`${what}.burst`, String(burst), `must be a whole number from 1 to ${MOST_AMOUNT}`)
  }
  return { amount, per: span, burst }
}

function spanOf(per: Duration | string, what: string): Ms {
  try {
    return parseDuration(per, what)
  } catch (error) {
    if (error instanceof SentinelError) throw invalid(what, JSON.stringify(per), 'is no span of time', error)
    throw error
  }
}

function isAmount(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MOST_AMOUNT
}

function invalid(what: string, shown: string, problem: string, cause?: unknown): SentinelError {
  return new SentinelError(
    'limit.invalid',
    `${what}: ${shown} ${problem}. Write '20/1m', '5/10s', or { amount: 60, per: '1m', burst: 30 }.`,
    cause === undefined ? undefined : { cause },
  )
}
