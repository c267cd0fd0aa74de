import { readSources, type SourceFile } from './source.js'

/** Tests that run themselves again after a failure, beside all others and unreported. `npm test` repeats files, alone, and names them. */
function repeated(files: readonly SourceFile[]): string[] {
  return files.filter(({ text }) => /\.retryTimes\(/.test(text)).map(({ path }) => path)
}

test('no test repeats itself after a failure', () => {
  const files = ['.ts', '.mjs'].flatMap((ending) => readSources('.', 'test', ending))
  expect(files.length).toBeGreaterThan(400)
  expect(repeated(files)).toEqual([])
})

test('a test that repeats itself is reported', () => {
  const text = `jest.${'retryTimes'}(2)`
  expect(repeated([{ path: 'test/a.test.ts', text }])).toEqual(['test/a.test.ts'])
})
