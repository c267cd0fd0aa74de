export type { Observed } from '../observed.js'
export { type LoggingOptions, logging, type SentinelLog } from './logging.js'
