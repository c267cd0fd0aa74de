/** More failed files than these are no stall of the machine. */
export const MOST_REPEATED = 3

/**
 * Runs all test files. If at most {@link MOST_REPEATED} of them fail, runs these once more, one at a time, when nothing else runs: a
 * shared machine may stall for longer than a test allows. What passes only then is reported by name, and should be mended.
 *
 * @param run Runs jest with further arguments, and returns its report and its exit code, or throws if there is no report.
 * @returns The numbers of tests that passed and failed, the names of unsteady tests, and what else to say.
 */
export async function runSuites(run) {
  const { report, code } = await run([])
  const files = filesOf(report)
  const failed = [...files].filter(([, { failed }]) => failed > 0)
  const unsteady = []
  if (failed.length > 0 && failed.length <= MOST_REPEATED) {
    const { report } = await run(['--runInBand', '--runTestsByPath', ...failed.map(([path]) => path)])
    const again = filesOf(report)
    for (const [path, first] of failed) {
      const second = again.get(path)
      if (second === undefined || second.failed > 0 || second.passed === 0) continue
      unsteady.push(...first.names)
      files.set(path, second)
    }
  }
  const sum = (key) => [...files.values()].reduce((total, counts) => total + counts[key], 0)
  const [passed, broken, skipped] = [sum('passed'), sum('failed'), sum('skipped')]
  const counts = { passed, failed: broken + skipped, unsteady }
  if (passed + broken + skipped === 0) return { ...counts, failed: 1, complaint: 'no test ran' }
  if (skipped > 0)
    return { ...counts, complaint: `${skipped} skipped or only planned: finish or delete them` }
  // What runs before or after the tests failed, for example the stop of a server.
  if (code !== 0 && failed.length === 0)
    return { ...counts, failed: 1, complaint: `no test failed, but jest ended with exit code ${code}` }
  return counts
}

/** Counts the tests of each file. A file that does not run counts as one that failed. */
function filesOf({ testResults }) {
  return new Map(
    testResults.map(({ name, status, assertionResults }) => {
      const of = (...wanted) => assertionResults.filter((test) => wanted.includes(test.status))
      const names = of('failed').map(({ fullName }) => fullName)
      if (names.length === 0 && status === 'failed') names.push(name)
      const skipped = of('pending', 'skipped', 'todo', 'disabled').length
      return [name, { passed: of('passed').length, failed: names.length, skipped, names }]
    }),
  )
}
