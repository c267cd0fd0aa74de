import { fileURLToPath } from 'node:url'
import { type Finding, part, run } from './compare.js'
import { underLoad } from './telegram/load.js'
import { starts, typicalTest } from './telegram/small.js'

// Arguments: duration of the load in seconds, and updates per second.
const [seconds = part(60, 3), rate = 5000] = process.argv.slice(2).map(Number)

/** Twice the seconds until all bounded tables are full, with a margin. */
const FILLED = 50

const start = await starts(30)
console.log(
  `start of a server: ${start.middle.toFixed(2)} ms (slowest of 30: ${start.slowest.toFixed(2)} ms)`,
)
const test = await typicalTest(300)
console.log(
  `a typical test in process: ${test.middle.toFixed(2)} ms (19 of 20 within ${test.late.toFixed(2)} ms), of the processor ${test.busy.toFixed(2)} ms`,
)

const program = fileURLToPath(new URL('./telegram/bot.js', import.meta.url))
const load = await underLoad({ seconds, rate, users: 50_000, groups: 500, program })

const findings: Finding[] = [
  { what: 'start of a server', measured: start.middle, unit: 'ms', most: 50 },
  { what: 'a typical test, in process', measured: test.middle, unit: 'ms', most: 5 },
  {
    what: `updates a second sent and handled, of ${rate}`,
    measured: load.handledPerSecond,
    unit: '/s',
    least: rate * 0.99,
  },
  { what: 'updates left behind at the end', measured: load.behind, unit: '', most: 0 },
  // In a shorter run the bounded tables are still filling in its second half.
  ...(seconds < FILLED
    ? []
    : [{ what: 'growth of memory over the load', measured: load.growth * 100, unit: '%', most: 5 }]),
]
process.exitCode = run(findings) ? 1 : 0
