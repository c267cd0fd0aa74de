// npm test: runs groups of checks, cheapest first, and stops after the first group in which a check fails. The checks of a group run
// at the same time. Arguments are passed to jest.
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { runGroups } from './groups.mjs'
import { node, programOf, root } from './run.mjs'

const counts = join(root, '.cache', 'tests.json')
const script = (name, ...args) => [join(root, 'scripts', name), ...args]
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
  [['unit', script('run-suites.mjs', ...process.argv.slice(2))]],
  // Last, because it may have to install packages first.
  [['interop', script('interop.mjs')]],
]

rmSync(counts, { force: true })
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
const {
  passed,
  failed,
  unsteady = [],
  complaint,
} = testsRan ? counted() : { passed: 0, failed: broken.length }
console.log(`\n${times.join(', ')}`)
for (const { name, code } of broken) console.log(`${name} failed with exit code ${code}`)
if (complaint !== undefined) console.log(complaint)
if (unsteady.length > 0)
  console.log(`UNSTEADY, passed only alone, to be mended:\n${unsteady.map((name) => `  ${name}`).join('\n')}`)
// A failure after the tests counts as one more.
console.log(`${passed} passed, ${failed + (interopFailed ? 1 : 0)} failed`)
process.exitCode = broken[0]?.code ?? (failed > 0 ? 1 : 0)

function counted() {
  try {
    return JSON.parse(readFileSync(counts, 'utf8'))
  } catch (error) {
    return { passed: 0, failed: 1, complaint: `the tests left no counts: ${error.message}` }
  }
}
