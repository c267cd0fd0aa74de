/** What was looked at, and what was not as it should be. */
export class Checks {
  count = 0
  failures = []
  /** The last that began. */
  current = 'the start'

  /** What comes after may build on it: a check that fails ends the run of its client. */
  async that(what, holds) {
    this.current = what
    this.count++
    const start = performance.now()
    try {
      return await holds()
    } catch (error) {
      throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    } finally {
      if (process.env.TDLIB_TIMES !== undefined)
        console.log(`${Math.round(performance.now() - start)} ms  ${what}`)
    }
  }

  fail(what) {
    this.failures.push(what)
  }
}
