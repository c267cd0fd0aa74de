/*
 * For the index. The report itself is loaded when one is asked for; bundlers would take it for something that is always needed, were
 * it exported from where it is made.
 */
export { ActivityReport, type ReportedUser, type ReportOptions } from './activity-report.js'
