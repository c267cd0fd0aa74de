import { SentinelError } from '../../core/errors.js'
import { shown } from '../../core/show.js'
import type { StatsReport, StatsSubject } from './contract.js'

/**
 * Formats a report as readable `text`, as `json`, or as `csv` (RFC 4180) with one number per line and the columns `what`, `name`,
 * `detail`, `at_least` and `at_most` (equal for exact numbers). It contains ids of people, so show it only to the owner.
 *
 * @throws SentinelError `option.invalid` for an unknown format.
 *
 * @example
 * ```ts
 * import { sentinel } from 'grammy-sentinel'
 * import { formatStats, stats } from 'grammy-sentinel/stats'
 *
 * const guard = sentinel({ stats: stats() })
 * console.log(formatStats(await guard.stats(), 'text'))
 * ```
 */
export function formatStats(report: StatsReport, format: 'text' | 'json' | 'csv'): string {
  if (format === 'json') return JSON.stringify(report, null, 2)
  if (format === 'csv') return csv(report)
  if (format === 'text') return text(report)
  throw new SentinelError(
    'option.invalid',
    `formatStats: ${shown(format)} is not a format. Pass 'text', 'json' or 'csv'.`,
  )
}

function text(report: StatsReport): string {
  const minutes = Math.max(1, Math.round((report.until - report.from) / 60_000))
  const { updates, denied, shadow, active, workers } = report
  const share = updates === 0 ? '' : ` (${((100 * denied) / updates).toFixed(1)} %)`
  const lines = [
    `The last ${minutes} min, ${workers} ${workers === 1 ? 'worker' : 'workers'}`,
    `${updates} updates by about ${active} users`,
    `${denied} denied${share}${shadow === 0 ? '' : `, ${shadow} would be by guards in shadow`}`,
    ...section('Activities', report.activities, ({ activity, count }) => `${activity}: ${count}`),
    ...section('Denials', report.denials, ({ guard, reason, count }) => `${guard} ${reason}: ${count}`),
    ...section('Who sent most', report.talkers, person),
    ...section('Who was denied most', report.refused, person),
  ]
  return lines.join('\n')
}

function section<T>(title: string, entries: readonly T[], line: (entry: T) => string): string[] {
  return entries.length === 0 ? [] : ['', title, ...entries.map((entry) => `  ${line(entry)}`)]
}

function person({ kind, id, atLeast, atMost }: StatsSubject): string {
  return `${kind} ${id}: ${atLeast === atMost ? atMost : `${atLeast} to ${atMost}`}`
}

type Row = readonly [what: string, name: string, detail: string, atLeast: number, atMost: number]

function csv(report: StatsReport): string {
  const exact = (what: string, name: string, detail: string, count: number): Row => [
    what,
    name,
    detail,
    count,
    count,
  ]
  const people = (what: string, all: readonly StatsSubject[]): Row[] =>
    all.map(({ kind, id, atLeast, atMost }) => [what, String(id), kind, atLeast, atMost])
  const { from, until, workers, updates, allowed, denied, shadow, active } = report
  const totals = { from, until, workers, updates, allowed, denied, shadow, active }
  const rows: Row[] = [
    ...Object.entries(totals).map(([name, count]) => exact('total', name, '', count)),
    ...report.activities.map(({ activity, count }) => exact('activity', activity, '', count)),
    ...report.denials.map(({ guard, reason, count }) => exact('denial', guard, reason, count)),
    ...people('talker', report.talkers),
    ...people('refused', report.refused),
  ]
  const lines = [['what', 'name', 'detail', 'at_least', 'at_most'], ...rows]
  return lines.map((cells) => `${cells.map(cell).join(',')}\r\n`).join('')
}

/** Quotes a cell if necessary. Defuses spreadsheet formulas, since names of guards may be anything; negative ids are left alone. */
function cell(value: string | number): string {
  const whole = String(value)
  const safe = /^[=+\-@\t\r]/.test(whole) && !/^-\d+$/.test(whole) ? `'${whole}` : whole
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
