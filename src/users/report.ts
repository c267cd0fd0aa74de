import { ActivityReport as Report } from './activity-report.js'

export type { ReportedUser, ReportOptions } from './activity-report.js'

// Wrapped rather than re-exported: with a re-export, bundlers would load the module eagerly instead of on demand.
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
export const ActivityReport: typeof Report = Report
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
export type ActivityReport = Report
