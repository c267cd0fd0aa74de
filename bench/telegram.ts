import { fileURLToPath } from 'node:url'
import { underLoad } from './telegram/load.js'
import { starts, typicalTest } from './telegram/small.js'

// Arguments: how many seconds the load lasts, and how many updates a second it has.
const [seconds = 60, rate = 5000] = process.argv.slice(2).map(Number)

const start = await starts(30)
console.log(
  `start of a server: ${start.middle.toFixed(2)} ms (slowest of 30: ${start.slowest.toFixed(2)} ms)`,
)
const test = await typicalTest(300)
console.log(
  `a typical test in process: ${test.middle.toFixed(2)} ms (19 of 20 within ${test.late.toFixed(2)} ms)`,
)

const program = fileURLToPath(new URL('./telegram/bot.js', import.meta.url))
const load = await underLoad({ seconds, rate, users: 50_000, groups: 500, program })

const goals: readonly (readonly [string, boolean])[] = [
  ['a server starts in under 50 ms', start.middle < 50],
  ['a typical test takes under 5 ms', test.middle < 5],
  [`${rate} updates a second were sent and handled`, load.handledPerSecond >= rate * 0.99],
  ['none was left behind at the end', load.behind === 0],
  ['memory was flat', load.growth < 0.05],
]
console.log()
for (const [goal, reached] of goals) console.log(`${reached ? 'reached' : 'MISSED '}  ${goal}`)
process.exitCode = goals.every(([, reached]) => reached) ? 0 : 1
