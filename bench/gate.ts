/*
 * npm run bench:gate: fails if the package has become slower. Times are only compared to those of a rival at the same moment, never to those
 * of another day. The resulting ratios are compared with bench/baseline.json; a loss of more than 15 % fails. `--rebaseline` writes a new
 * baseline: use it deliberately, together with the change that is the reason.
 */
import { fork } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { median } from './compare.js'
import { CONTESTS, type ContestName } from './gate/contests.js'

const MOST_LOSS = 0.15
/** A contest that has lost is repeated: noise from other processes passes within seconds, a slower program stays slow. */
const TRIES = 4
const RUNS = 3
const BASELINE = fileURLToPath(new URL('../../../bench/baseline.json', import.meta.url))

type Baseline = Readonly<Record<string, number>>

/** Runs a contest and returns its cost as a ratio to the rival; lower is better. Runs in its own process, to keep garbage apart. */
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
    // The median of several runs, so that one lucky run does not become the baseline.
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
