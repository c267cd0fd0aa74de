import { SentinelError } from './errors.js'

/** Milliseconds. Every time span inside the package is one. */
export type Ms = number

const UNITS = new Map<string, Ms>([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
  ['w', 604_800_000],
])

/** The unit of a {@link Duration} text: milliseconds, seconds, minutes, hours, days, weeks. */
export type DurationUnit = 'ms' | 's' | 'm' | 'h' | 'd' | 'w'

/**
 * A time span: a number of milliseconds, or a text such as `'500ms'`, `'10s'`, `'1m'`, `'1.5h'`, `'1h30m'`.
 *
 * @example
 * ```ts
 * import type { Duration } from 'grammy-sentinel'
 *
 * const short: Duration = '500ms'
 * const same: Duration = 500
 * ```
 */
export type Duration =
  | number
  | `${number}${DurationUnit}`
  | `${number}${DurationUnit}${number}${DurationUnit}`

const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/gy

/**
 * Reads a {@link Duration} into milliseconds, rounded to a whole one.
 *
 * @param duration Milliseconds, or a text of numbers with units, largest first by custom: `'1h30m'`.
 * @param what How the error names the value: the option it was given to.
 * @throws SentinelError `duration.invalid` for anything that is not a finite span of zero or more.
 *
 * @example
 * ```ts
 * import { parseDuration } from 'grammy-sentinel'
 *
 * parseDuration('1h30m') // 5_400_000
 * ```
 */
export function parseDuration(duration: Duration | string, what = 'duration'): Ms {
  if (typeof duration === 'number') {
    if (Number.isFinite(duration) && duration >= 0) return Math.round(duration)
    throw invalid(what, duration)
  }
  if (typeof duration !== 'string' || duration.length > 64) throw invalid(what, duration)
  let total = 0
  PART.lastIndex = 0
  let end = 0
  for (let part = PART.exec(duration); part !== null; part = PART.exec(duration)) {
    total += Number(part[1]) * (UNITS.get(part[2] as string) as number)
    end = PART.lastIndex
  }
  if (end === 0 || end !== duration.length || !Number.isFinite(total)) throw invalid(what, duration)
  return Math.round(total)
}

/**
 * Writes milliseconds the way people say them: the two largest units, nothing smaller.
 *
 * @example
 * ```ts
 * import { formatDuration } from 'grammy-sentinel'
 *
 * formatDuration(5_400_000) // '1h30m'
 * ```
 */
export function formatDuration(ms: Ms): string {
  if (!Number.isFinite(ms)) return 'forever'
  let rest = Math.max(0, Math.round(ms))
  if (rest < 1000) return `${rest}ms`
  const parts: string[] = []
  for (const [unit, size] of [...UNITS].reverse()) {
    if (unit === 'ms' || parts.length === 2) break
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) parts.push(`${count}${unit}`)
    else if (parts.length > 0) break
  }
  return parts.join('')
}

function invalid(what: string, value: unknown): SentinelError {
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 64)) : String(value)
  return new SentinelError(
    'duration.invalid',
    `${what}: ${shown} is no duration. Write milliseconds (1500) or a text such as '500ms', '10s', '1m', '2h', '7d'.`,
  )
}
