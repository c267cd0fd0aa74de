export type { NodeRequest, NodeResponse } from '../answer.js'
export type { MtprotoObserved, MtprotoWatch } from '../mtproto.js'
export type { Observed } from '../observed.js'
export { type Metrics, type MetricsOptions, metrics } from './metrics.js'
