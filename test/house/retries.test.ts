import { readSources, type SourceFile } from './source.js'

/** Tests that run again after a failure, which hides races. */
function repeated(files: readonly SourceFile[]): string[] {
  return files.filter(({ text }) => /\.retryTimes\(/.test(text)).map(({ path }) => path)
}

test('no test runs again after a failure', () => {
  const files = ['.ts', '.mjs'].flatMap((ending) => readSources('.', 'test', ending))
  expect(files.length).toBeGreaterThan(400)
  expect(repeated(files)).toEqual([])
})

test('a test that runs again is reported', () => {
  const text = `jest.${'retryTimes'}(2)`
  expect(repeated([{ path: 'test/a.test.ts', text }])).toEqual(['test/a.test.ts'])
})
