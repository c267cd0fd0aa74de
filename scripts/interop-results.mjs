/**
 * Returns the problems of a suite that has ended, and the number of its checks if the last line of its output is JSON. Never throws:
 * the suites beside it continue.
 */
export function resultsOf({ code, output, late }, mostMs) {
  const problems = []
  if (late) problems.push(`still ran after ${mostMs / 1000} s; what it said:\n${output}`)
  else if (code !== 0) problems.push(`ended with ${code}:\n${output}`)
  const last = output.trimEnd().split('\n').at(-1) ?? ''
  if (!last.startsWith('{')) return { problems, told: '' }
  try {
    const { checks, failures } = JSON.parse(last)
    return { problems: [...problems, ...failures], told: `${checks} checks` }
  } catch (error) {
    // A suite that was killed may have written only the beginning of its results.
    const unreadable = `its results cannot be read (${error.message}):\n${output}`
    return { problems: problems.length > 0 ? problems : [unreadable], told: '' }
  }
}
