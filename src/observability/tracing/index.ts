export type { Observed } from '../observed.js'
export { type TracingOptions, tracing } from './tracing.js'
