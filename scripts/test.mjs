// npm test: runs every check, cheapest first, and stops at the first that fails. Arguments are passed to jest. Checks that use only
// one core run in groups at the same time.
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { node, programOf, root } from './run.mjs'

const report = join(root, '.cache', 'jest.json')
const script = (name, ...args) => [join(root, 'scripts', name), ...args]
const jest = [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  programOf('jest'),
  '--json',
  `--outputFile=${report}`,
  ...process.argv.slice(2),
]
const groups = [
  [
    ['lint', [programOf('@biomejs/biome', 'biome'), 'check', '--error-on-warnings', '.']],
    ['types of experimentalDecorators', [programOf('typescript', 'tsc'), '-p', 'tsconfig.legacy.json']],
    ['build', script('build.mjs')],
  ],
  [
    ['types', [programOf('typescript', 'tsc'), '-p', 'tsconfig.json']],
    ['api', script('api.mjs', '--check')],
    ['package', script('check-package.mjs')],
    ['size', script('size.mjs')],
  ],
  // With --json jest prints its results to stdout too; people read stderr.
  [['unit', jest, { stdio: ['inherit', 'ignore', 'inherit'], done: report }]],
  // Last, because it may have to install packages first.
  [['interop', script('interop.mjs')]],
]

mkdirSync(join(root, '.cache'), { recursive: true })
rmSync(report, { force: true })
const times = []
let stopped
// Packages for `interop` are fetched while tests wait for servers. If that fails, the step itself tries again and reports why.
let fetching
for (const group of groups) {
  const [[first]] = group
  if (first === 'unit') fetching = node(script('installed.mjs', 'interop')).catch(console.error)
  if (first === 'interop') await fetching
  const results = await Promise.all(group.map(group.length === 1 ? shown : recorded))
  stopped = results.find(({ code }) => code !== 0)
  if (stopped !== undefined) break
}

const {
  passed,
  failed,
  complaint,
  repeated = [],
} = stopped === undefined || stopped.name === 'unit' || stopped.name === 'interop' ? counted() : unstarted()
console.log(`\n${times.join(', ')}`)
if (stopped !== undefined) console.log(`${stopped.name} failed with exit code ${stopped.code}`)
if (complaint !== undefined) console.log(complaint)
if (repeated.length > 0)
  console.log(`passed only when repeated:\n${repeated.map((name) => `  ${name}`).join('\n')}`)
// A failure after the tests counts as one more.
console.log(`${passed} passed, ${failed + (stopped?.name === 'interop' ? 1 : 0)} failed`)
process.exitCode = stopped?.code ?? (failed > 0 ? 1 : 0)

/** Runs a step in the foreground. */
async function shown([name, args, options]) {
  console.log(`\n== ${name}`)
  const start = performance.now()
  const code = await node(args, options)
  times.push(`${name} ${((performance.now() - start) / 1000).toFixed(1)} s`)
  return { name, code }
}

/** Runs a step beside others, and prints its output when it has ended. */
async function recorded([name, args]) {
  const path = join(root, '.cache', `${name.replaceAll(' ', '-')}.log`)
  const output = openSync(path, 'w')
  const start = performance.now()
  const code = await node(args, { stdio: ['ignore', output, output] })
  closeSync(output)
  times.push(`${name} ${((performance.now() - start) / 1000).toFixed(1)} s`)
  console.log(`\n== ${name}\n${readFileSync(path, 'utf8')}`.trimEnd())
  return { name, code }
}

/** A check that fails before any test has run counts as one failure. */
function unstarted() {
  return { passed: 0, failed: 1 }
}

/** Reads jest's counts. A file that does not run, a skipped test, and no tests at all are failures. */
function counted() {
  let result
  try {
    result = JSON.parse(readFileSync(report, 'utf8'))
  } catch (error) {
    return { passed: 0, failed: 1, complaint: `jest left no report: ${error.message}` }
  }
  const skipped = result.numPendingTests + result.numTodoTests
  const passed = result.numPassedTests
  const failed = result.numFailedTests + result.numRuntimeErrorTestSuites + skipped
  if (passed + failed === 0) return { passed, failed: 1, complaint: 'no test ran' }
  const repeated = result.testResults.flatMap(({ assertionResults }) =>
    assertionResults
      .filter(({ status, invocations }) => status === 'passed' && invocations > 1)
      .map(({ fullName }) => fullName),
  )
  if (skipped > 0)
    return {
      passed,
      failed,
      repeated,
      complaint: `${skipped} skipped or only planned: finish or delete them`,
    }
  return { passed, failed, repeated }
}
