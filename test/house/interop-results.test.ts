interface Results {
  resultsOf(
    ended: { readonly code: number | string; readonly output: string; readonly late: boolean },
    mostMs: number,
  ): { readonly problems: readonly string[]; readonly told: string }
}
// The path is not a literal, so that the compiler does not follow it: the scripts are plain JavaScript.
const script: string = '../../scripts/interop-results.mjs'
const { resultsOf } = (await import(script)) as Results

const ended = (output: string, code: number | string = 0, late = false) =>
  resultsOf({ code, output, late }, 300_000)

test('a suite reports its checks and failures by a last line of JSON', () => {
  expect(ended('hello\n{"checks":3,"failures":[]}\n')).toEqual({ problems: [], told: '3 checks' })
  expect(ended('{"checks":3,"failures":["no answer"]}', 1)).toEqual({
    problems: [expect.stringContaining('ended with 1'), 'no answer'],
    told: '3 checks',
  })
})

test('a suite without such a line passes if its exit code is 0', () => {
  expect(ended('all good')).toEqual({ problems: [], told: '' })
  expect(ended('', 'SIGKILL', true).problems).toEqual([expect.stringContaining('still ran after 300 s')])
})

test.each(['{', '{"checks":3,"fail', '{ "checks": 3 }'])('a suite fails whose results are %s', (output) => {
  expect(ended(output)).toEqual({
    problems: [expect.stringContaining('its results cannot be read')],
    told: '',
  })
  expect(ended(output, 'SIGKILL', true).problems).toEqual([expect.stringContaining('still ran')])
})
