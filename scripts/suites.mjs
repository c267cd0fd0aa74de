/** More failed files than these are no stall of the machine. */
export const MOST_REPEATED = 3

/**
 * Runs all test files. If at most {@link MOST_REPEATED} of them fail, runs these once more, one at a time, when nothing else runs: a
 * shared machine may stall for longer than a test allows. What passes only then is reported by name, and should be mended.
 *
 * @param run Runs jest with further arguments, and returns its report and its exit code, or throws if there is no report.
 * @param options.repeats Whether to run failed files once more.
 * @param options.root Names of files are printed relative to it.
 * @returns The numbers of tests that passed and failed, the names of unsteady tests, and what else to say.
 */
export async function runSuites(run, { repeats, root }) {
  const { report, code } = await run([])
  const files = filesOf(report, root)
  const failed = [...files].filter(([, { failed }]) => failed > 0)
  const unsteady = []
  if (repeats && failed.length > 0 && failed.length <= MOST_REPEATED) {
    const again = await run(['--runInBand', '--runTestsByPath', ...failed.map(([path]) => path)]).catch(
      // Then the first run counts.
      (error) => ({ report: { testResults: [] }, code: 1, error }),
    )
    if (again.error !== undefined)
      console.error(`the failed files could not be repeated: ${again.error.message}`)
    const repeated = filesOf(again.report, root)
    for (const [path, first] of failed) {
      const second = repeated.get(path)
      if (second === undefined || second.failed > 0 || second.all < first.all || second.all === 0) continue
      // Something failed that belongs to no file: it may have been any of them.
      if (again.code !== 0 && [...repeated.values()].every(({ failed }) => failed === 0)) continue
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
function filesOf({ testResults }, root) {
  return new Map(
    testResults.map(({ name, status, assertionResults }) => {
      const of = (...wanted) => assertionResults.filter((test) => wanted.includes(test.status))
      const file = name.slice(root.length)
      const names = of('failed').map(({ fullName }) => `${file}: ${fullName}`)
      if (names.length === 0 && status === 'failed') names.push(file)
      const skipped = of('pending', 'skipped', 'todo', 'disabled').length
      const all = assertionResults.length
      return [name, { passed: of('passed').length, failed: names.length, skipped, all, names }]
    }),
  )
}
