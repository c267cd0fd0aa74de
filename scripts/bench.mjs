// npm run bench: runs all benches in turn. Writes bench/results.json, docs/benchmark-results.md and the plots in docs/plots. Names of
// benches as arguments run only these and keep the results of the others. "--try" only checks that they run: it does a hundredth of the
// rounds and writes nothing.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { plotsOf } from './plots.mjs'
import { node, root } from './run.mjs'

const BENCHES = {
  memory: 'Memory: the whole path, and decisions',
  scale: 'Memory: from a thousand users to five million',
  decorators: 'A policy on a handler',
  storage: 'Redis and Postgres',
  webhook: 'At the door',
  observability: 'Metrics and traces',
  telegram: 'The embedded Telegram',
  mtproto: 'MTProto',
}
/** Fraction of its rounds that a bench runs here, for benches that would take too long otherwise. */
const SHARES = { memory: 0.5, storage: 0.7, telegram: 0.85 }
const RESULTS = join(root, 'bench', 'results.json')
const wanted = process.argv.slice(2).filter((name) => name !== '--try')
/** Whether to check only that the benches run, without writing results. */
const tried = process.argv.includes('--try')
const unknown = wanted.filter((name) => !(name in BENCHES))
if (unknown.length > 0) {
  console.error(`There is no bench ${unknown.join(', ')}. There are ${Object.keys(BENCHES).join(', ')}.`)
  process.exit(1)
}

const before = existsSync(RESULTS) ? JSON.parse(readFileSync(RESULTS, 'utf8')).benches : {}
const benches = { ...before }
const folder = mkdtempSync(join(tmpdir(), 'bench-'))
let missed = 0
let built = {}
for (const name of Object.keys(BENCHES)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  console.log(`\n=== ${name}: ${BENCHES[name]}`)
  const file = join(folder, `${name}.json`)
  const share = { BENCH_SHARE: String(tried ? 0.01 : (SHARES[name] ?? 1)) }
  const from = performance.now()
  const script = [join(root, 'scripts', 'bench-one.mjs'), name]
  const code = await node(script, { env: { ...share, ...process.env, ...built, BENCH_FINDINGS: file } })
  built = { BENCH_BUILT: 'yes' }
  console.log(`${name} took ${((performance.now() - from) / 1000).toFixed(0)} s`)
  if (!existsSync(file)) {
    console.error(`${name} ended with ${code} and told nothing`)
    process.exit(1)
  }
  benches[name] = {
    at: new Date().toISOString().slice(0, 10),
    findings: JSON.parse(readFileSync(file, 'utf8')),
  }
}
rmSync(folder, { recursive: true })
if (tried) process.exit(0)

const machine = `Node ${process.versions.node}, ${cpus().length} processors`
writeFileSync(RESULTS, `${JSON.stringify({ machine, benches }, null, 2)}\n`)
const lines = [
  '# What the benches found',
  '',
  `Written by \`npm run bench\` (${machine}). What each means, and why some fall short, is on the page [What it costs](benchmarks.md).`,
]
mkdirSync(join(root, 'docs', 'plots'), { recursive: true })
for (const [name, { at, findings }] of Object.entries(benches)) {
  lines.push('', `## ${BENCHES[name]}`, '', `\`npm run bench:${name}\`, ${at}.`, '')
  for (const [plot, svg] of plotsOf(name, findings)) {
    writeFileSync(join(root, 'docs', 'plots', `${plot}.svg`), svg)
    lines.push(`![${BENCHES[name]}](plots/${plot}.svg)`, '')
  }
  lines.push('| What | Measured | Asked | |', '| --- | ---: | ---: | --- |')
  for (const { what, measured, unit, most, least } of findings) {
    const asked = most !== undefined ? `≤ ${round(most)}` : least !== undefined ? `≥ ${round(least)}` : ''
    const met = (most === undefined || measured <= most) && (least === undefined || measured >= least)
    if (!met) missed++
    lines.push(
      `| ${what} | ${round(measured)} ${unit} | ${asked} | ${asked === '' ? '' : met ? 'met' : 'missed'} |`,
    )
  }
}
writeFileSync(join(root, 'docs', 'benchmark-results.md'), `${lines.join('\n')}\n`)
await node([
  join(root, 'node_modules', '@biomejs', 'biome', 'bin', 'biome'),
  'format',
  '--write',
  'docs/benchmark-results.md',
  'bench/results.json',
])
console.log(`\nbench/results.json and docs/benchmark-results.md are written; ${missed} targets were missed.`)

function round(value) {
  return Number(Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2)).toLocaleString('en')
}
