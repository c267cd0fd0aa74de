// Runs the tests for `npm test`, and writes their counts to .cache/tests.json. Arguments are passed to jest; with any, and with cases
// drawn at random, no file is repeated.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { node, programOf, root } from './run.mjs'
import { runSuites } from './suites.mjs'

const folder = join(root, '.cache')
const report = join(folder, 'jest.json')
const jest = [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  programOf('jest'),
  '--json',
]
const own = process.argv.slice(2)

mkdirSync(folder, { recursive: true })
const counts = await runSuites(
  async (args) => {
    rmSync(report, { force: true })
    // With --json jest prints its results to stdout too; people read stderr.
    const code = await node([...jest, `--outputFile=${report}`, ...own, ...args], {
      stdio: ['inherit', 'ignore', 'inherit'],
      done: report,
    })
    return { report: JSON.parse(readFileSync(report, 'utf8')), code }
  },
  { repeats: own.length === 0 && process.env.SEED === undefined, root },
)
writeFileSync(join(folder, 'tests.json'), JSON.stringify(counts))
process.exitCode = counts.failed > 0 ? 1 : 0
