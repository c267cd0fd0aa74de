import { existsSync, readFileSync } from 'node:fs'
import {
  exportsOf,
  fenceProblem,
  lackOf,
  type Snippet,
  snippetsOfPage,
  snippetsOfSource,
} from './docstrings.js'
import { compileSnippets } from './snippets.js'
import { readSources, type SourceFile } from './source.js'

const sources = readSources('.', 'src', '.ts')
const pages = [...readSources('.', 'docs', '.md'), ...(existsSync('README.md') ? [page('README.md')] : [])]
const ENTRIES = {
  'grammy-sentinel': 'src/index.ts',
  'grammy-sentinel/testing': 'src/telegram/index.ts',
  'grammy-sentinel/testing/jest': 'src/telegram/jest.ts',
  'grammy-sentinel/postgres': 'src/storage/postgres/index.ts',
  'grammy-sentinel/decorators': 'src/decorators/index.ts',
  'grammy-sentinel/redis': 'src/storage/redis/index.ts',
  'grammy-sentinel/sqlite': 'src/storage/sqlite/index.ts',
  'grammy-sentinel/mtproto': 'src/mtproto/index.ts',
  'grammy-sentinel/health': 'src/observability/health/index.ts',
  'grammy-sentinel/logging': 'src/observability/logging/index.ts',
  'grammy-sentinel/metrics': 'src/observability/metrics/index.ts',
  'grammy-sentinel/stats': 'src/observability/stats/index.ts',
  'grammy-sentinel/tracing': 'src/observability/tracing/index.ts',
}
/** An entry point that does not exist yet fails the check of the package; this check skips it. */
const missing = Object.entries(ENTRIES).filter(([, path]) => !existsSync(path))
const entries = Object.values(ENTRIES).filter((path) => existsSync(path))
const snippets = [...sources.flatMap(snippetsOfSource), ...pages.flatMap(snippetsOfPage)].filter(
  ({ code }) => !missing.some(([name]) => code.includes(`'${name}'`)),
)

function page(path: string): SourceFile {
  return { path, text: readFileSync(path, 'utf8') }
}

describe('the public surface', () => {
  test('is documented, with an example for every symbol', () => {
    const symbols = entries.flatMap((entry) => exportsOf(entry, sources))
    if (entries.length > 0) expect(symbols.length).toBeGreaterThan(0)
    expect([...new Set(symbols.map(lackOf).filter((lack) => lack !== undefined))]).toEqual([])
  })

  test('has examples that compile, in docstrings and pages', async () => {
    expect(snippets.map(fenceProblem).filter((problem) => problem !== undefined)).toEqual([])
    // An example with an error proves that they are compiled.
    const planted: Snippet = { path: 'planted.md', line: 7, code: `const text: string = 'a'.length` }
    const checked = snippets.filter(({ unchecked }) => unchecked === undefined)
    const problems = await compileSnippets([...checked, planted], '.cache/snippets')
    expect(problems.filter((problem) => !problem.startsWith('planted.md'))).toEqual([])
    expect(problems).toEqual([expect.stringMatching(/^planted\.md:7 \(block at line 7\): TS2322: /)])
  })
})

describe('the check of docstrings', () => {
  const EXAMPLE = '/**\n * Says so.\n *\n * @example\n * ```ts\n * go()\n * ```\n */\n'
  const files = (index: string, other = ''): SourceFile[] => [
    { path: 'src/index.ts', text: index },
    { path: 'src/core/a.ts', text: other },
  ]
  const lacks = (index: string, other = '') =>
    exportsOf('src/index.ts', files(index, other)).map((symbol) => [symbol.name, lackOf(symbol)])

  test.each([
    ['export function go() {}', 'has no docstring'],
    ['// é\nexport const go = 1', 'has no docstring'],
    ['/* Says so. */\nexport class go {}', 'has no docstring'],
    ['/** Says so. */\nexport type go = 1', 'has no @example'],
    ['/** Says so.\n * @example\n * go()\n */\nexport interface go {}', 'has no ```ts block'],
    ['/** Says so.\n * @example\n * ```js\n * go()\n * ```\n */\nexport enum go {}', 'has no ```ts block'],
    [
      '/** Says so.\n * @example Go\n * @see x\n * ```ts\n * ```\n */\nexport const go = 1',
      'has no ```ts block',
    ],
    [`${EXAMPLE}const near = 1\nexport const go = 1`, 'has no docstring'],
  ])('reports %j', (text, lack) => {
    expect(lacks(text)).toEqual([['go', expect.stringContaining(lack)]])
    expect(lacks(`export * from './core/a.js'`, text)).toEqual([['go', expect.stringContaining(lack)]])
    expect(lacks(`export { go as went } from './core/a.js'`, text)).toEqual([
      ['went', expect.stringContaining(lack)],
    ])
    expect(lacks(`import { go } from './core/a.js'\nexport { go }`, text)).toEqual([
      ['go', expect.stringContaining(lack)],
    ])
  })

  test.each([
    `${EXAMPLE}export function go(): void`,
    `${EXAMPLE}export function go(a: 1): void\nexport function go(a: 2): void\nexport function go(a: number) {}`,
    `// ünï\n${EXAMPLE}export abstract class go {}`,
    `${EXAMPLE}@sealed\nexport class go {}`,
    `${EXAMPLE}const go = 1\nexport { go }`,
    `export type go = 1\n${EXAMPLE}export const go = 1`,
  ])('accepts %j', (text) => {
    expect(lacks(text)).toEqual([['go', undefined]])
    expect(lacks(`export * from './core/a.js'`, text)).toEqual([['go', undefined]])
  })

  test('ignores re-exports of other packages', () => {
    expect(lacks(`export { Bot } from 'grammy'\nexport * from 'grammy/types'`)).toEqual([])
  })

  test('reports an export without a declaration', () => {
    expect(lacks(`export { gone } from './core/a.js'`)).toEqual([
      ['gone', expect.stringContaining('has no docstring')],
    ])
    expect(() => lacks(`export * from './core/gone.js'`)).toThrow('no such file')
  })
})

describe('the extraction of code blocks', () => {
  test('finds blocks in docstrings, with their lines', () => {
    const text = 'const a = 1\n/**\n * Text.\n *\n * ```ts\n * if (a) {\n *   go()\n * }\n * ```\n */\n'
    expect(snippetsOfSource({ path: 'src/a.ts', text })).toEqual([
      { path: 'src/a.ts', line: 6, code: 'if (a) {\n  go()\n}' },
    ])
  })

  test('finds blocks in pages, also indented ones and those with reasons', () => {
    const text =
      '- item\n  ```typescript\n  go()\n  ```\n```sh\nls\n```\n```ts no-check of another package\nx\n```\n'
    expect(snippetsOfPage({ path: 'docs/a.md', text })).toEqual([
      { path: 'docs/a.md', line: 3, code: 'go()' },
      { path: 'docs/a.md', line: 9, code: 'x', unchecked: 'no-check of another package' },
    ])
    expect(() => snippetsOfPage({ path: 'docs/a.md', text: '```ts\nx' })).toThrow('docs/a.md:1')
  })

  test('requires a reason for blocks that are not compiled, and allows none in docstrings', () => {
    const block = (path: string, unchecked: string) => fenceProblem({ path, line: 1, code: '', unchecked })
    expect(block('docs/a.md', 'no-check of another package')).toBeUndefined()
    expect(block('docs/a.md', 'no-check')).toContain('the reason')
    expect(block('docs/a.md', 'twoslash')).toContain('the reason')
    expect(block('src/a.ts', 'no-check of another package')).toContain('must be compiled')
  })
})
