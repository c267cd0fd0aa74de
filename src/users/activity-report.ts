import { type Duration, formatDuration, parseDuration } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { ACTIVITIES } from '../core/kinds.js'
import { hintAt } from '../core/nearest.js'
import { shown } from '../core/show.js'
import { keyText, type SubjectRef, subjectKey } from '../core/subject.js'
import { unknownOption } from '../middleware/options/schema.js'
import type { UserProfile } from './profiles.js'

/**
 * Options of `guard.users.report()`.
 *
 * @example
 * ```ts
 * import { type ReportOptions, sentinel } from 'grammy-sentinel'
 *
 * const options: ReportOptions = { within: '30d', top: 20, by: 'denials' }
 * console.log((await sentinel({ users: true }).users.report(options)).toText())
 * ```
 */
export interface ReportOptions {
  /**
   * Users seen within this time count as active, users first seen within it as new. Users without any count, of whom only `patch()`
   * made a record, are neither.
   * @default '7d'
   */
  readonly within?: Duration
  /** How many users are listed, 0 to 1,000. @default 10 */
  readonly top?: number
  /**
   * The count to sort by: an activity such as `message`, `denials`, one of your own counts, or `updates` for all activity.
   * @default 'updates'
   */
  readonly by?: string
}

/**
 * A user in a report.
 *
 * @example
 * ```ts
 * import type { ReportedUser } from 'grammy-sentinel'
 *
 * const line = ({ subject, updates, denials }: ReportedUser) => `${subject.id}: ${updates}, ${denials} denied`
 * ```
 */
export interface ReportedUser {
  readonly subject: SubjectRef
  /** In milliseconds since 1970, like `lastSeen`. */
  readonly firstSeen: number
  readonly lastSeen: number
  /** All activity: admitted and stopped updates. */
  readonly updates: number
  readonly denials: number
  readonly counts: Readonly<Record<string, number>>
}

const OPTIONS: readonly string[] = ['within', 'top', 'by'] satisfies (keyof ReportOptions)[]
const COLUMNS = [...ACTIVITIES, 'denials'] as const
const KNOWN: ReadonlySet<string> = new Set(COLUMNS)
/** Most distinct names of counts in a report; you may record counts of any name. */
const MOST_NAMES = 1000

/**
 * The activity of all users of the bots: totals and the most active users, also as text, JSON and CSV.
 *
 * @example
 * ```ts
 * import { type ActivityReport, sentinel } from 'grammy-sentinel'
 *
 * const report: ActivityReport = await sentinel({ users: true }).users.report()
 * console.log(report.users, report.active, report.counts.message)
 * console.log(report.toText(), JSON.stringify(report), report.toCsv())
 * ```
 */
export class ActivityReport {
  /** When the report was made, in milliseconds since 1970. */
  readonly at: number
  /** The time within which users count as active or new, in milliseconds. */
  readonly within: number
  /** Number of known users. */
  readonly users: number
  /** Number of users seen within the time. */
  readonly active: number
  /** Number of users first seen within the time. */
  readonly newcomers: number
  /** All updates ever counted. */
  readonly updates: number
  /** How many updates were stopped. */
  readonly denials: number
  /** All-time totals by name. */
  readonly counts: Readonly<Record<string, number>>
  /** The users with the highest counts, in descending order. */
  readonly top: readonly ReportedUser[]
  /** The count that `top` is sorted by. */
  readonly by: string

  constructor(data: Omit<ActivityReport, 'toText' | 'toCsv' | 'toJSON'>) {
    this.at = data.at
    this.within = data.within
    this.users = data.users
    this.active = data.active
    this.newcomers = data.newcomers
    this.updates = data.updates
    this.denials = data.denials
    this.counts = data.counts
    this.top = data.top
    this.by = data.by
  }

  /** Returns the report as readable text. */
  toText(): string {
    const span = formatDuration(this.within)
    const share = this.updates === 0 ? 0 : (this.denials / this.updates) * 100
    const named = Object.entries(this.counts).filter(([name, count]) => name !== 'denials' && count !== 0)
    const rows = this.top.map((user) => [
      keyText(subjectKey(user.subject)),
      String(user.updates),
      String(user.denials),
      dayOf(user.firstSeen),
      dayOf(user.lastSeen),
    ])
    return [
      `Activity on ${new Date(this.at).toISOString()}`,
      `${this.users} users; in the last ${span} ${this.active} active, ${this.newcomers} new`,
      `${this.updates} updates, ${this.denials} denied (${share.toFixed(1)} %)`,
      ...(named.length === 0 ? [] : [named.map(([name, count]) => `${name} ${count}`).join(', ')]),
      ...(rows.length === 0
        ? []
        : ['', ...aligned([['user', 'updates', 'denied', 'first seen', 'last seen'], ...rows])]),
    ].join('\n')
  }

  /** Returns the users of `top` as CSV with a header line. Lines end with CRLF (RFC 4180). */
  toCsv(): string {
    return [HEAD, ...this.top.map(rowOf)].map((row) => `${row}\r\n`).join('')
  }

  /** For `JSON.stringify()`. Subjects are written as `keyText()` does. */
  toJSON(): Record<string, unknown> {
    const top = this.top.map((user) => ({ ...user, subject: keyText(subjectKey(user.subject)) }))
    return { ...Object.fromEntries(Object.entries(this)), top }
  }
}

/** Makes a report in one pass over all users; holds only the totals and the listed users in memory. */
export async function reportOf(
  users: AsyncIterable<UserProfile>,
  now: number,
  options: ReportOptions,
): Promise<ActivityReport> {
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name)) throw unknownOption(`report.${name}`, name, OPTIONS)
  }
  const { top: most = 10, by = 'updates' } = options
  const within = parseDuration(options.within ?? '7d', 'report.within')
  if (!Number.isInteger(most) || most < 0 || most > 1000) {
    throw new SentinelError(
      'option.invalid',
      `report.top: ${shown(most)} must be a whole number from 0 to 1,000.`,
    )
  }
  if (typeof by !== 'string' || by === '') {
    throw new SentinelError(
      'option.invalid',
      `report.by: ${shown(by)} is not the name of a count. Pass 'updates', 'denials', or one such as 'message'.`,
    )
  }
  const sums = new Map<string, number>(COLUMNS.map((name) => [name, 0]))
  const sum = { users: 0, active: 0, newcomers: 0, updates: 0 }
  let isNoted = by === 'updates' || KNOWN.has(by)
  let listed: { readonly amount: number; readonly user: ReportedUser }[] = []
  for await (const profile of users) {
    const user = reported(profile)
    sum.users++
    sum.updates += user.updates
    const counts = Object.entries(user.counts)
    // patch() makes a record, with its own time, of a user who was never seen. Such a record has no counts.
    if (counts.length > 0 && user.lastSeen > now - within) sum.active++
    if (counts.length > 0 && user.firstSeen > now - within) sum.newcomers++
    for (const [name, count] of counts) {
      if (sums.has(name) || sums.size < MOST_NAMES) sums.set(name, (sums.get(name) ?? 0) + count)
    }
    isNoted ||= Object.hasOwn(user.counts, by)
    const amount = by === 'updates' ? user.updates : (countOf(user.counts, by) ?? 0)
    if (amount > 0) listed.push({ amount, user })
    // Sorted and cut now and then, which bounds the list to about twice the wanted size.
    if (listed.length >= 2 * most + 100) listed = foremost(listed, most)
  }
  if (!isNoted) {
    const names = ['updates', ...sums.keys()]
    throw new SentinelError(
      'option.invalid',
      `report.by: nobody has a count named ${shown(by)}.${hintAt(by, names)} Pass 'updates', 'denials', one such as 'message', or one that you note.`,
    )
  }
  return new ActivityReport({
    at: now,
    within,
    ...sum,
    denials: sums.get('denials') ?? 0,
    counts: Object.fromEntries(sums),
    top: foremost(listed, most).map(({ user }) => user),
    by,
  })
}

/** Returns all users as CSV, line by line, with a header line. */
export async function* csvOf(users: AsyncIterable<UserProfile>): AsyncGenerator<string, void, undefined> {
  yield `${HEAD}\r\n`
  for await (const profile of users) yield `${rowOf(reported(profile))}\r\n`
}

const HEAD = ['subject', 'first_seen', 'last_seen', 'updates', ...COLUMNS, 'other'].join(',')

function rowOf({ subject, firstSeen, lastSeen, updates, counts }: ReportedUser): string {
  const others = Object.entries(counts).filter(([name]) => !KNOWN.has(name))
  const other = others.length === 0 ? '' : JSON.stringify(Object.fromEntries(others))
  const cells = [
    keyText(subjectKey(subject)),
    new Date(firstSeen).toISOString(),
    new Date(lastSeen).toISOString(),
    updates,
    ...COLUMNS.map((name) => countOf(counts, name) ?? 0),
    other,
  ]
  return cells.map((cell) => quoted(String(cell))).join(',')
}

function quoted(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell
}

function reported({ subject, firstSeen, lastSeen, counts }: UserProfile): ReportedUser {
  const updates = ACTIVITIES.reduce((sum, name) => sum + (countOf(counts, name) ?? 0), 0)
  return { subject, firstSeen, lastSeen, updates, denials: countOf(counts, 'denials') ?? 0, counts }
}

function countOf(counts: Readonly<Record<string, number>>, name: string): number | undefined {
  return Object.hasOwn(counts, name) ? counts[name] : undefined
}

function foremost<T extends { readonly amount: number; readonly user: ReportedUser }>(
  listed: readonly T[],
  most: number,
): T[] {
  return [...listed].sort((a, b) => b.amount - a.amount || (textOf(a) < textOf(b) ? -1 : 1)).slice(0, most)
}

function textOf({ user }: { readonly user: ReportedUser }): string {
  return keyText(subjectKey(user.subject))
}

function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10)
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  )
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 1 || column === 2 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  )
}
