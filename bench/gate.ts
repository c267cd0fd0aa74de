/*
 * npm run bench:gate: whether we have become slower. Times are compared with a rival's in the same moment, never with those of another day;
 * what came out is compared with bench/baseline.json, and a loss of more than 15 % fails. `--rebaseline` writes a new one: on purpose,
 * with the change that is the reason.
 */
import { fork } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { median } from './compare.js'
import { CONTESTS, type ContestName } from './gate/contests.js'

const MOST_LOSS = 0.15
/** What has lost is measured anew before it is believed: a noisy neighbour stays for seconds, a slower program for good. */
const TRIES = 4
const RUNS = 3
const BASELINE = fileURLToPath(new URL('../../../bench/baseline.json', import.meta.url))

type Baseline = Readonly<Record<string, number>>

/** What a contest costs, as a ratio to its rival: lower is better. In a process of its own, so that nobody pays for a neighbour's garbage. */
function contend(name: ContestName): Promise<number> {
  return new Promise((done, fail) => {
    const program = fileURLToPath(new URL('./gate/contests.js', import.meta.url))
    const child = fork(program, [name], { execArgv: ['--expose-gc', '--no-allocation-site-pretenuring'] })
    child.once('message', (ratio) => done(ratio as number))
    child.once('error', fail)
    child.once('exit', (code) => fail(new Error(`${name} ended with ${code} before it answered`)))
  })
}

async function measure(name: ContestName): Promise<number> {
  const ratios: number[] = []
  for (let run = 0; run < RUNS; run++) ratios.push(await contend(name))
  return median(ratios)
}

const names = Object.keys(CONTESTS) as ContestName[]
if (process.argv.includes('--rebaseline')) {
  const baseline: Record<string, number> = {}
  for (const name of names) {
    // The middle of several, so that one lucky run does not become what all are held to.
    const tries: number[] = []
    for (let n = 0; n < TRIES; n++) tries.push(await measure(name))
    baseline[name] = Number(median(tries).toFixed(4))
    console.log(`${name}: ${baseline[name]}`)
  }
  writeFileSync(BASELINE, `${JSON.stringify(baseline, null, 2)}\n`)
  process.exit(0)
}

const baseline = JSON.parse(readFileSync(BASELINE, 'utf8')) as Baseline
let failed = false
for (const name of names) {
  const before = baseline[name]
  if (before === undefined) {
    console.log(`${name}: there is no baseline for it. Run npm run bench:gate -- --rebaseline`)
    failed = true
    continue
  }
  let best = Number.POSITIVE_INFINITY
  let tries = 0
  while (tries < TRIES && best > before * (1 + MOST_LOSS)) {
    best = Math.min(best, await measure(name))
    tries++
  }
  const change = best / before - 1
  const lost = change > MOST_LOSS
  if (lost) failed = true
  const words = `${change >= 0 ? '+' : ''}${(change * 100).toFixed(1)} %`
  console.log(
    `${lost ? 'LOST' : 'ok  '}  ${name}: ${best.toFixed(3)} against ${before.toFixed(3)} (${words}, ${tries} tries)`,
  )
}
process.exit(failed ? 1 : 0)
