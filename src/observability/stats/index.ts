export { formatStats } from './format.js'
export { type StatsOptions, stats } from './stats.js'
