export type { NodeRequest, NodeResponse } from '../answer.js'
export type { Observed } from '../observed.js'
export { type Health, type HealthOptions, type HealthProblem, type HealthReport, health } from './health.js'
