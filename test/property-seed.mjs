// Replaces `fast-check` in tests. Property tests draw the same cases in every run, so that a failure is related to the latest
// changes. To search for new failures use `SEED=random SCHEDULES=5000`; a failure names its seed.
import fc from '../node_modules/fast-check/lib/fast-check.js'

const { SEED = '20261121' } = process.env
if (SEED !== 'random') fc.configureGlobal({ seed: Number(SEED) })

export * from '../node_modules/fast-check/lib/fast-check.js'
export default fc
