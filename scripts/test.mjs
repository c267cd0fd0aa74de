// npm test: runs groups of checks, cheapest first, and stops after the first group in which a check fails. The checks of a group run
// at the same time. Arguments are passed to jest.
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { runGroups } from './groups.mjs'
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

rmSync(report, { force: true })
// Packages for `interop` are fetched while tests wait for servers. If that fails, the step itself tries again and reports why.
let fetching
const { broken, times } = await runGroups(groups, {
  folder: join(root, '.cache'),
  async before([[first]]) {
    if (first === 'unit') fetching = node(script('installed.mjs', 'interop')).catch(console.error)
    if (first === 'interop') await fetching
  },
})

const interopFailed = broken.some(({ name }) => name === 'interop')
const testsRan = broken.length === 0 || interopFailed || broken.some(({ name }) => name === 'unit')
// A check that fails before any test has run counts as one failure.
const { passed, failed, complaint } = testsRan ? counted() : { passed: 0, failed: broken.length }
console.log(`\n${times.join(', ')}`)
for (const { name, code } of broken) console.log(`${name} failed with exit code ${code}`)
if (complaint !== undefined) console.log(complaint)
// A failure after the tests counts as one more.
console.log(`${passed} passed, ${failed + (interopFailed ? 1 : 0)} failed`)
process.exitCode = broken[0]?.code ?? (failed > 0 ? 1 : 0)

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
  if (skipped === 0) return { passed, failed }
  return { passed, failed, complaint: `${skipped} skipped or only planned: finish or delete them` }
}
