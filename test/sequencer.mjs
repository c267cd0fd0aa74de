// The order of the suites. Jest runs those first that took longest last time, and without a record of a last run, as in CI, those
// with the largest files. Some of the longest suites are small files: run last, they would keep one core busy and leave the others idle.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import Sequencer from '@jest/test-sequencer'

/** Suites that take more than five seconds, the longest first. */
const LONG = [
  'storage/redis/cluster',
  'storage/memory/memory',
  'storage/hybrid/conformance',
  'fuzz',
  'mtproto/transfers',
  'storage/redis/redis',
  'storage/hybrid/leases-load',
  'stories/exact',
  'stories/flow',
  'stories/leased',
  'stories/exact-storages',
  'storage/postgres/postgres',
  'storage/sqlite/sqlite',
  'storage/hybrid/flood',
  'sentinel/simulate',
  'house/docstrings',
  'demo',
  'observability/shipped',
  'storage/grammy-storage',
  'storage/combine',
  'cli/cli',
  'storage/failover/random',
  'storage/failover/order',
  'storage/redis/sentinel',
  'sentinel/many',
  'storage/workers',
].map((name) => fileURLToPath(new URL(`${name}.test.ts`, import.meta.url)))

const missing = LONG.filter((path) => !existsSync(path))
if (missing.length > 0)
  throw new Error(`test/sequencer.mjs lists suites that do not exist: ${missing.join(', ')}`)

export default class LongestFirst extends Sequencer {
  sort(tests) {
    const sorted = super.sort(tests)
    if (sorted.some(({ duration }) => duration !== undefined)) return sorted
    return sorted.sort((a, b) => placeOf(a) - placeOf(b))
  }
}

/** Suites that are not listed come after those that are, in the order of jest. */
function placeOf({ path }) {
  const place = LONG.indexOf(path)
  return place === -1 ? LONG.length : place
}
