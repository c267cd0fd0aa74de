import { jest } from '@jest/globals'

type Status = 'passed' | 'failed' | 'pending'
interface Run {
  readonly code: number
  readonly report: {
    readonly testResults: readonly {
      readonly name: string
      readonly status: 'passed' | 'failed'
      readonly assertionResults: readonly { readonly fullName: string; readonly status: Status }[]
    }[]
  }
}
interface Suites {
  readonly MOST_REPEATED: number
  runSuites(
    run: (args: readonly string[]) => Promise<Run>,
    options: { readonly repeats: boolean; readonly root: string },
  ): Promise<{
    readonly passed: number
    readonly failed: number
    readonly unsteady: readonly string[]
    readonly complaint?: string
  }>
}
// The path is not a literal, so that the compiler does not follow it: the scripts are plain JavaScript.
const script: string = '../../scripts/suites.mjs'
const { MOST_REPEATED, runSuites } = (await import(script)) as Suites

const ROOT = '/clone/'

/** A run of jest in which each file has one test for each status; a file without any did not run. */
function ran(files: Readonly<Record<string, readonly Status[]>>, code?: number): Run {
  const testResults = Object.entries(files).map(([name, statuses]) => ({
    name: `${ROOT}${name}`,
    status: statuses.length === 0 || statuses.includes('failed') ? ('failed' as const) : ('passed' as const),
    assertionResults: statuses.map((status, i) => ({ fullName: `test ${i}`, status })),
  }))
  return {
    code: code ?? (testResults.some(({ status }) => status === 'failed') ? 1 : 0),
    report: { testResults },
  }
}

async function played(...runs: Run[]) {
  return playedWith(true, ...runs)
}

async function playedWith(repeats: boolean, ...runs: Run[]) {
  const calls: (readonly string[])[] = []
  const counts = await runSuites(
    async (args) => {
      calls.push(args)
      const run = runs[calls.length - 1]
      if (run === undefined) throw new Error(`run ${calls.length} was not expected`)
      return run
    },
    { repeats, root: ROOT },
  )
  return { ...counts, calls }
}

test('what passes is counted, and runs once', async () => {
  const { calls, ...counts } = await played(ran({ a: ['passed', 'passed'], b: ['passed'] }))
  expect(counts).toEqual({ passed: 3, failed: 0, unsteady: [] })
  expect(calls).toEqual([[]])
})

test('a file that fails beside others and passes alone is reported as unsteady', async () => {
  const { calls, ...counts } = await played(
    ran({ a: ['passed', 'failed'], b: ['passed'] }),
    ran({ a: ['passed', 'passed'] }),
  )
  expect(counts).toEqual({ passed: 3, failed: 0, unsteady: ['a: test 1'] })
  expect(calls[1]).toEqual(['--runInBand', '--runTestsByPath', '/clone/a'])
})

test('a file that fails twice has failed', async () => {
  const { calls: _, ...counts } = await played(
    ran({ a: ['passed', 'failed'], b: ['failed', 'passed'] }),
    ran({ a: ['failed', 'passed'], b: ['passed', 'passed'] }),
  )
  expect(counts).toEqual({ passed: 3, failed: 1, unsteady: ['b: test 0'] })
})

test('many failed files are not repeated', async () => {
  const files = Array.from({ length: MOST_REPEATED + 1 }, (_, i) => [`file ${i}`, ['failed'] as const])
  const { failed, unsteady, calls } = await played(ran(Object.fromEntries(files)))
  expect({ failed, unsteady, calls }).toEqual({ failed: MOST_REPEATED + 1, unsteady: [], calls: [[]] })
})

test('nothing is repeated unless asked to', async () => {
  expect(await playedWith(false, ran({ a: ['failed'] }))).toMatchObject({ failed: 1, calls: [[]] })
})

test('a repetition that runs fewer tests, or fails outside them, proves nothing', async () => {
  const first = ran({ a: ['passed', 'failed'] })
  expect(await played(first, ran({ a: ['passed'] }))).toMatchObject({ failed: 1, unsteady: [] })
  expect(await played(first, ran({ a: ['passed', 'passed'] }, 7))).toMatchObject({ failed: 1, unsteady: [] })
})

test('a repetition that leaves no report changes nothing', async () => {
  const told = jest.spyOn(console, 'error').mockImplementation(() => undefined)
  expect(await played(ran({ a: ['passed', 'failed'] }))).toMatchObject({ passed: 1, failed: 1, unsteady: [] })
  expect(told).toHaveBeenCalledWith('the failed files could not be repeated: run 2 was not expected')
  told.mockRestore()
})

test('a file that does not run has failed, and is repeated', async () => {
  expect(await played(ran({ a: [] }), ran({ a: ['passed'] }))).toMatchObject({ failed: 0, unsteady: ['a'] })
  expect(await played(ran({ a: [] }), ran({ a: [] }))).toMatchObject({ failed: 1, unsteady: [] })
})

test('skipped tests, no tests, and a failure of jest itself are failures', async () => {
  expect(await played(ran({ a: ['passed', 'pending'] }))).toMatchObject({
    passed: 1,
    failed: 1,
    complaint: expect.stringContaining('1 skipped'),
  })
  expect(await played(ran({}))).toMatchObject({ passed: 0, failed: 1, complaint: 'no test ran' })
  expect(await played(ran({ a: ['passed'] }, 7))).toMatchObject({
    passed: 1,
    failed: 1,
    complaint: expect.stringContaining('exit code 7'),
  })
})
