// Runs the tests for `npm test`, and writes their counts to .cache/tests.json. Arguments are passed to jest.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { node, programOf, root } from './run.mjs'
import { runSuites } from './suites.mjs'

const report = join(root, '.cache', 'jest.json')
const jest = [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  programOf('jest'),
  '--json',
]

const counts = await runSuites(async (args) => {
  rmSync(report, { force: true })
  // With --json jest prints its results to stdout too; people read stderr.
  const code = await node([...jest, `--outputFile=${report}`, ...process.argv.slice(2), ...args], {
    stdio: ['inherit', 'ignore', 'inherit'],
    done: report,
  })
  return { report: JSON.parse(readFileSync(report, 'utf8')), code }
})
writeFileSync(join(root, '.cache', 'tests.json'), JSON.stringify(counts))
process.exitCode = counts.failed > 0 ? 1 : 0
