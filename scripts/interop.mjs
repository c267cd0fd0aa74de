// npm run interop: tests the built package on several runtimes and with foreign clients. They are in interop/, a package of its own,
// which is installed here if its lock file has changed. Arguments run only the suites whose names contain one of them:
// npm run interop -- deno workerd
import { spawn } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { installed } from './installed.mjs'
import { resultsOf } from './interop-results.mjs'
import { node, root } from './run.mjs'

const folder = join(root, 'interop')
const modules = join(folder, 'node_modules')
/** Time-out for a suite. */
const MOST_MS = 300_000

if (!existsSync(join(root, 'dist', 'index.js'))) {
  const code = await node([join(root, 'scripts', 'build.mjs')])
  if (code !== 0) process.exit(code)
}
await installed('interop')

const node22 = binary('node22', 'node22-linux-x64/bin/node', 'node22-linux-arm64/bin/node', 'node22/bin/node')
const node24 = binary('node24', 'node24-linux-x64/bin/node', 'node24-linux-arm64/bin/node', 'node24/bin/node')
const bun = binary('bun', ...platform('@oven', 'bun-', 'bin/bun'), 'bun/bin/bun.exe')
const deno = binary('deno', ...platform('@deno', '', 'deno'), 'deno/deno')
/** Deno uses only installed packages and fetches nothing. */
const DENO = ['run', '--allow-all', '--no-lock', '--no-prompt', '--node-modules-dir=manual', '--cached-only']
const runtimes = (name) => join(folder, 'runtimes', name)
const runners = (name) => join(folder, 'runners', name)
const storing = join(folder, 'sqlite', 'suite.mjs')

const suites = [
  [`node ${process.versions.node}`, process.execPath, runtimes('node.mjs')],
  ['node 22', node22, runtimes('node.mjs')],
  ['node 24', node24, runtimes('node.mjs')],
  ['bun', bun, runtimes('serving.mjs')],
  ['bun, node:http', bun, runtimes('node.mjs')],
  ['bun, bundles', bun, runtimes('bundling.mjs')],
  ['deno', deno, ...DENO, runtimes('serving.mjs')],
  ['deno, node:http', deno, ...DENO, runtimes('node.mjs')],
  ['workerd', node24, runtimes('workerd.mjs')],
  ['sqlite, node 22', node22, '--disable-warning=ExperimentalWarning', storing],
  ['sqlite, node 24', node24, '--disable-warning=ExperimentalWarning', storing],
  ['sqlite, bun', bun, storing],
  ['node:test', process.execPath, '--test', runners('node-test.mjs')],
  ['testing.md', process.execPath, runners('testing-page.mjs')],
  ['vitest', node24, join(modules, 'vitest', 'vitest.mjs'), 'run', '--config', runners('vitest.config.mjs')],
  ...others(),
]

const wanted = process.argv.slice(2)
const chosen = suites.filter(([name]) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
if (chosen.length === 0) {
  console.error(`no suite is named so; there are: ${suites.map(([name]) => name).join('; ')}`)
  process.exit(1)
}
const width = Math.max(...chosen.map(([name]) => name.length))
let failed = 0
// A suite uses one core at most, and often waits. Results are printed in the order in which suites end.
const waiting = [...chosen]
await Promise.all(Array.from({ length: availableParallelism() }, work))
console.log(`\n${chosen.length - failed} of ${chosen.length} suites passed`)
process.exitCode = failed > 0 ? 1 : 0

/** Runs suites until none is left. */
async function work() {
  for (let suite = waiting.shift(); suite !== undefined; suite = waiting.shift())
    print(suite, await attempt(suite))
}

async function attempt([name, program, ...args]) {
  const start = performance.now()
  const repeated = []
  let outcome = program === undefined ? missing(name) : await run(program, args)
  if (outcome.problems.length > 0 && program !== undefined) {
    // Suites start many processes, which may time out on a busy machine, so a failed suite is tried once more.
    repeated.push(...outcome.problems)
    outcome = await run(program, args)
  }
  return { ...outcome, repeated, seconds: (performance.now() - start) / 1000 }
}

function print([name], { problems, told, repeated, seconds }) {
  for (const problem of repeated) console.error(`${name}, tried again: ${problem}`)
  const took = `${seconds.toFixed(1)} s`
  console.log(
    `${name.padEnd(width)}  ${problems.length === 0 ? 'passed' : 'FAILED'}  ${took.padStart(6)}  ${told}`,
  )
  for (const problem of problems) console.error(problem.replace(/^/gm, '    '))
  if (problems.length > 0) failed++
}

/** Returns the first executable file of a list. */
function binary(_name, ...candidates) {
  for (const candidate of candidates) {
    const path = join(modules, candidate)
    try {
      accessSync(path, constants.X_OK)
    } catch {
      continue
    }
    // Without its install script the package contains only a small placeholder text.
    if (statSync(path).size > 1_000_000) return path
  }
  return undefined
}

/** Returns the binaries for this platform among the packages of a scope. */
function platform(scope, prefix, inside) {
  const path = join(modules, scope)
  if (!existsSync(path)) return []
  const cpu = process.arch === 'arm64' ? /(arm64|aarch64)/ : new RegExp(process.arch)
  return readdirSync(path)
    .filter((name) => name.startsWith(`${prefix}${process.platform}`) && cpu.test(name))
    .filter((name) => !/musl|android/.test(name))
    .map((name) => `${scope}/${name}/${inside}`)
}

/** Returns all other suites in interop/ with a `run.mjs`: foreign clients against the embedded Telegram. */
function others() {
  return readdirSync(folder)
    .filter((name) => name !== 'node_modules' && existsSync(join(folder, name, 'run.mjs')))
    .map((name) => [name, process.execPath, join(folder, name, 'run.mjs')])
}

function missing(name) {
  return {
    problems: [`no binary of ${name} for ${process.platform} ${process.arch} in interop/node_modules`],
    told: '',
  }
}

async function run(program, args) {
  return resultsOf(await execute(program, args, MOST_MS), MOST_MS)
}

function execute(program, args, mostMs) {
  return new Promise((done) => {
    const child = spawn(program, args, {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', MINIFLARE_WORKERD_PATH: workerd() ?? '' },
    })
    let output = ''
    let late = false
    const note = (chunk) => {
      output = (output + chunk).slice(-20_000)
    }
    child.stdout.on('data', note)
    child.stderr.on('data', note)
    const timer = setTimeout(() => {
      late = true
      child.kill('SIGKILL')
    }, mostMs)
    const end = (code) => {
      clearTimeout(timer)
      done({ code, output, late })
    }
    child.once('error', (error) => {
      note(String(error))
      end(1)
    })
    child.once('close', (code, signal) => end(code ?? signal))
  })
}

/** Returns the path of workerd, which Miniflare otherwise learns from an install script. */
function workerd() {
  const [found] = platform('@cloudflare', 'workerd-', 'bin/workerd')
  const path =
    found === undefined
      ? join(modules, '@cloudflare', 'workerd-linux-64', 'bin', 'workerd')
      : join(modules, found)
  return existsSync(path) ? path : undefined
}
