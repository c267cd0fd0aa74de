import { SentinelError } from './errors.js'
import { shown } from './show.js'

/**
 * Milliseconds. Every time span inside the package is in milliseconds.
 *
 * @example
 * ```ts
 * import { type Ms, parseDuration } from 'grammy-sentinel'
 *
 * const minute: Ms = parseDuration('1m') // 60_000
 * ```
 */
export type Ms = number

const UNITS = new Map<string, Ms>([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
  ['w', 604_800_000],
])

/**
 * The unit of a {@link Duration} text: milliseconds, seconds, minutes, hours, days, weeks.
 *
 * @example
 * ```ts
 * import type { DurationUnit } from 'grammy-sentinel'
 *
 * const hour: DurationUnit = 'h'
 * ```
 */
export type DurationUnit = 'ms' | 's' | 'm' | 'h' | 'd' | 'w'

/**
 * A time span: a number of milliseconds, or a text such as `'500ms'`, `'10s'`, `'1m'`, `'1.5h'`, `'1h30m'`. The type rejects a
 * plain `string`; {@link parseDuration} reads one.
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

/** A hundred years. Added to today, that is still a date that every storage can hold. */
const LONGEST: Ms = 36_525 * 86_400_000

const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/gy

/**
 * Converts a {@link Duration} to milliseconds, rounded to a whole number.
 *
 * @param duration Milliseconds, or a text of numbers with units, usually the largest first: `'1h30m'`.
 * @param what How the error names the value: the option it was given for.
 * @throws SentinelError `duration.invalid` for anything that is not a span from zero to a hundred years.
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
    if (duration >= 0 && duration <= LONGEST) return Math.round(duration)
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
  if (end === 0 || end !== duration.length || total > LONGEST) throw invalid(what, duration)
  return Math.round(total)
}

/**
 * Formats milliseconds for people: the largest unit and the next smaller one, rounded up, so that waiting for the displayed time
 * is always long enough. `forever` for an infinite span.
 *
 * @example
 * ```ts
 * import { formatDuration } from 'grammy-sentinel'
 *
 * formatDuration(5_400_000) // '1h30m'
 * formatDuration(5_400_001) // '1h31m'
 * ```
 */
export function formatDuration(ms: Ms): string {
  if (!Number.isFinite(ms)) return 'forever'
  const whole = Math.ceil(Math.max(0, ms))
  return whole < 1000
    ? `${whole}ms`
    : partsOf(whole)
        .map(([unit, count]) => `${count}${unit}`)
        .join('')
}

const NAMES: Readonly<Record<string, string>> = { w: 'week', d: 'day', h: 'hour', m: 'minute', s: 'second' }

/** Formats by language and unit: creating one takes twenty times as long as using it. Senders choose the languages, so it is bounded. */
const formats = new Map<string, Intl.NumberFormat>()

function formatOf(language: string, unit: DurationUnit): Intl.NumberFormat {
  const key = `${language} ${unit}`
  const format =
    formats.get(key) ??
    new Intl.NumberFormat(language, { style: 'unit', unit: NAMES[unit], unitDisplay: 'short' })
  if (formats.size >= 200) formats.clear()
  formats.set(key, format)
  return format
}

/**
 * Formats a span of at least a second in a language, as far as the platform supports it; otherwise as {@link formatDuration}
 * does.
 */
export function durationIn(language: string, ms: Ms): string {
  const whole = Math.max(1000, ms)
  try {
    if (language.startsWith('en') || !Number.isFinite(ms)) return formatDuration(whole)
    return partsOf(whole)
      .map(([unit, count]) => formatOf(language, unit).format(count))
      .join(' ')
  } catch {
    // Not a valid language tag.
    return formatDuration(whole)
  }
}

/** Splits a span into its largest unit and the next smaller one. The smallest unit is a second. */
function partsOf(ms: Ms): [unit: DurationUnit, count: number][] {
  const units = [...UNITS].reverse().slice(0, -1) as [DurationUnit, Ms][]
  const largest = units.findIndex(([, size]) => ms >= size)
  const [, finest] = units[Math.min(largest + 1, units.length - 1)] as [DurationUnit, Ms]
  let rest = Math.ceil(ms / finest) * finest
  const parts: [DurationUnit, number][] = []
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) parts.push([unit, count])
  }
  return parts
}

/** Formats whole milliseconds so that {@link parseDuration} reads back the same number. */
export function exactDuration(ms: Ms): string {
  let rest = ms
  let text = ''
  for (const [unit, size] of [...UNITS].reverse()) {
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) text += `${count}${unit}`
  }
  return text === '' ? '0ms' : text
}

function invalid(what: string, value: unknown): SentinelError {
  const given = shown(value).replace(
    /"(\d+) ?(s(?=ec)|m(?=in)|h(?=ou|r)|d(?=ay)|w(?=ee))[a-z]*"/,
    "$& (did you mean '$1$2'?)",
  )
  return new SentinelError(
    'duration.invalid',
    `${what}: ${given} is not a duration. Write milliseconds (1500) or a text such as '500ms', '10s', '1m', '2h', '7d'.`,
  )
}
