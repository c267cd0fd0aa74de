import { ActivityReport as Report } from './activity-report.js'

export type { ReportedUser, ReportOptions } from './activity-report.js'

// Not exported from where it is made: bundlers would take what is loaded on demand for something that is always needed.
/**
 * What the users of the bots did, added up: data, and the same as text, JSON and CSV.
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
 * What the users of the bots did, added up: data, and the same as text, JSON and CSV.
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
