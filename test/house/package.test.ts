type Check = (files: readonly string[], manifest: object) => string[]
// By a name the compiler cannot follow: the scripts are plain JavaScript.
const script: string = '../../scripts/packed-files.mjs'
const { problemsOfFiles } = (await import(script)) as { problemsOfFiles: Check }

const MANIFEST = {
  bin: { tool: 'dist/cli/main.js' },
  exports: {
    '.': { types: './dist/index.d.ts', default: './dist/index.js' },
    './package.json': './package.json',
  },
}
const FILES = ['dist/cli/main.js', 'dist/index.d.ts', 'dist/index.js', 'README.md', 'LICENSE', 'CHANGELOG.md']
const SHIPPED = ['observability/grafana/board.json', 'observability/prometheus/rules.yml']
const ALL = [...FILES, 'package.json']

test('a package with all it promises and nothing else is in order', () => {
  expect(problemsOfFiles([...ALL, ...SHIPPED], MANIFEST)).toEqual([])
})

test.each(ALL)('%s is missed', (file) => {
  const rest = ALL.filter((other) => other !== file)
  expect(problemsOfFiles(rest, MANIFEST)).toContainEqual(expect.stringContaining(file))
})

test.each([
  'src/index.ts',
  'test/a.test.js',
  '.env',
  'observability/notes.md',
  'dist/a.ts',
  'dist/a.js.map',
  'notes.md',
])('%s does not belong', (file) => {
  expect(problemsOfFiles([...ALL, file], MANIFEST)).toEqual([`${file} is packed and should not be`])
})
