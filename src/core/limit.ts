import { type Duration, exactDuration, type Ms, parseDuration } from './duration.js'
import { SentinelError } from './errors.js'
import { shown } from './show.js'

/**
 * An amount per span of time. `amount` is in units of cost (by default an update costs 1); `burst` is how many units a
 * token bucket may spend at once, by default `amount`.
 *
 * @example
 * ```ts
 * import { type Limit, parseLimit } from 'grammy-sentinel'
 *
 * const limit: Limit = parseLimit('20/1m')
 * ```
 */
export interface Limit {
  readonly amount: number
  readonly per: Ms
  readonly burst?: number
}

/**
 * A limit as developers write it: `'20/1m'` (twenty a minute), `'5/10s'`, `'1/s'`, or an object.
 *
 * The type rejects a plain `string`, and a text without a number and a slash. Other mistakes in a text, such as an unknown unit,
 * throw when the limit is read. Use {@link parseLimit} for a text from outside, and `satisfies SentinelOptions` for options in a
 * variable of their own, so that the compiler keeps their literal types.
 *
 * @example
 * ```ts
 * import { type LimitInput, parseLimit, type SentinelOptions, sentinel } from 'grammy-sentinel'
 *
 * const plain: LimitInput = '20/1m'
 * const bursty: LimitInput = { amount: 60, per: '1m', burst: 30 }
 * const fromOutside: LimitInput = parseLimit(process.env['LIMIT'] ?? '20/1m', 'LIMIT')
 *
 * const options = { throttle: '20/1m' } satisfies SentinelOptions
 * sentinel(options)
 * ```
 */
export type LimitInput =
  | `${number}/${string}`
  | { readonly amount: number; readonly per: Duration; readonly burst?: number | undefined }

/** The largest amount: above it a limit's arithmetic would no longer be exact to the millisecond. */
export const MOST_AMOUNT = 100_000
/** The longest span of a limit: 366 days. */
export const MOST_PER: Ms = 366 * 86_400_000

const TEXT = /^(\d+(?:\.\d+)?)\/(\d[^(]*|ms|s|m|h|d|w)(?:\(burst(\d+)\))?$/

/**
 * Reads a {@link LimitInput}.
 *
 * @param input The limit. A text is `amount/duration`; a unit without a number means one of it (`'5/s'`), and a burst may
 * follow in brackets (`'60/1m (burst 30)'`).
 * @param what How an error names the limit: the option it was given for.
 * @throws SentinelError `limit.invalid` for anything else, for an amount that is not a whole number from 1 to
 * 100,000, and for a span of zero or over 366 days.
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
    const match = input.length > 64 ? null : TEXT.exec(input.replaceAll(' ', ''))
    if (match === null) throw invalid(what, shown(input), 'is not a limit')
    const span = match[2] as string
    const burst = match[3] === undefined ? undefined : Number(match[3])
    return checked(Number(match[1]), /^\d/.test(span) ? span : `1${span}`, burst, what, input)
  }
  if (input === null || typeof input !== 'object') throw invalid(what, shown(input), 'is not a limit')
  return checked(input.amount, input.per, input.burst, what)
}

/**
 * Formats a limit the way {@link parseLimit} reads it, with the burst in brackets.
 *
 * @example
 * ```ts
 * import { formatLimit } from 'grammy-sentinel'
 *
 * formatLimit({ amount: 60, per: 60_000, burst: 30 }) // '60/1m (burst 30)'
 * ```
 */
export function formatLimit(limit: Limit): string {
  const text = `${limit.amount}/${exactDuration(limit.per)}`
  return limit.burst === undefined || limit.burst === limit.amount ? text : `${text} (burst ${limit.burst})`
}

/** How many units may be spent at once. */
export function capacityOf(limit: Limit): number {
  return limit.burst ?? limit.amount
}

/** The contents of a full bucket. Buckets count in unit-milliseconds, of which a unit is `per`, so that refilling is exact. */
export function depthOf(limit: Limit): number {
  return capacityOf(limit) * limit.per
}

/**
 * Clamps a limit to bounds that share one span; undefined if the limit's span differs. Without bounds, returns the limit itself.
 */
export function limitWithin(
  limit: Limit,
  bounds: { readonly min: Limit; readonly max: Limit } | undefined,
): Limit | undefined {
  if (bounds === undefined) return limit
  const { min, max } = bounds
  const { per } = limit
  if (per !== min.per) return undefined
  const amount = Math.min(max.amount, Math.max(min.amount, limit.amount))
  const burst = Math.min(capacityOf(max), Math.max(capacityOf(min), capacityOf(limit)))
  if (amount === limit.amount && burst === capacityOf(limit)) return limit
  return burst === amount ? { amount, per } : { amount, per, burst }
}

function checked(
  amount: number,
  per: Duration | string,
  burst: number | undefined,
  what: string,
  text?: string,
): Limit {
  const refuse = (field: string, value: unknown, problem: string, cause?: unknown): SentinelError =>
    text === undefined
      ? invalid(`${what}.${field}`, shown(value), problem, cause)
      : invalid(what, shown(text), `is not a limit: its ${NAMES[field]} ${problem}`, cause)

  if (!isAmount(amount)) throw refuse('amount', amount, NO_AMOUNT)
  let span: Ms
  try {
    span = parseDuration(per, what)
  } catch (error) {
    throw refuse('per', per, NO_SPAN, error)
  }
  if (span < 1 || span > MOST_PER) throw refuse('per', per, NO_SPAN)
  if (burst === undefined) return { amount, per: span }
  if (!isAmount(burst)) throw refuse('burst', burst, NO_AMOUNT)
  return { amount, per: span, burst }
}

const NAMES: Readonly<Record<string, string>> = { amount: 'amount', per: 'span', burst: 'burst' }
const NO_SPAN = 'must be a duration from 1 ms to 366 days'
const NO_AMOUNT = `must be a whole number from 1 to ${MOST_AMOUNT}`

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
