export type { MtprotoObserved, MtprotoWatch } from '../mtproto.js'
export type { Observed } from '../observed.js'
export { type TracingOptions, tracing } from './tracing.js'
