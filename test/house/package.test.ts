import { readdirSync, readFileSync } from 'node:fs'

type Check = (files: readonly string[], manifest: object) => string[]
type Follow = (files: readonly string[], textOf: (file: string) => string) => string[]
// The path is not a literal, so that the compiler does not follow it: the scripts are plain JavaScript.
const script: string = '../../scripts/packed-files.mjs'
const { problemsOfFiles, problemsOfImports, problemsOfLinks } = (await import(script)) as {
  problemsOfFiles: Check
  problemsOfImports: (
    files: readonly string[],
    manifest: object,
    textOf: (file: string) => string,
  ) => string[]
  problemsOfLinks: Follow
}

const MANIFEST = {
  bin: { tool: 'dist/cli/main.js' },
  exports: {
    '.': { types: './dist/index.d.ts', default: './dist/index.js' },
    './package.json': './package.json',
  },
}
const FILES = ['dist/cli/main.js', 'dist/index.d.ts', 'dist/index.js', 'README.md', 'LICENSE', 'CHANGELOG.md']
const SHIPPED = [
  'observability/grafana/board.json',
  'observability/prometheus/rules.yml',
  'docs/throttle.md',
  'docs/plots/cpu.svg',
  'CONTRIBUTING.md',
]
const ALL = [...FILES, 'package.json']

test('a complete package without superfluous files is accepted', () => {
  expect(problemsOfFiles([...ALL, ...SHIPPED], MANIFEST)).toEqual([])
})

test.each(ALL)('a missing %s is reported', (file) => {
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
  'docs/notes.txt',
])('a superfluous %s is reported', (file) => {
  expect(problemsOfFiles([...ALL, file], MANIFEST)).toEqual([`${file} is packed and should not be`])
})

test('all targets of links in pages and alerts are packed', () => {
  const { files } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly files: readonly string[] }
  const within = (path: string): string[] =>
    path.includes('.')
      ? [path]
      : readdirSync(path, { withFileTypes: true, recursive: true })
          .filter((entry) => entry.isFile())
          .map(({ parentPath, name }) => `${parentPath}/${name}`)
  // Built files may be missing, and no page links to them.
  const packed = ['README.md', 'LICENSE', ...files.filter((path) => path !== 'dist').flatMap(within)]
  expect(packed.length).toBeGreaterThan(50)
  expect(problemsOfLinks(packed, (file) => readFileSync(file, 'utf8'))).toEqual([])
})

test('links in pages and alerts that lead out of the package are reported', () => {
  const texts: Readonly<Record<string, string>> = {
    'README.md':
      '[a](docs/a.md) [b](docs/b.md#here) [c](https://grammy.dev) [d](#there)\n\n```md\n[e](e.md)\n```\n',
    'docs/a.md': '[back](../README.md#a) [code](../src/a.ts) `[no](link.md)`\n',
    'observability/rules.yml': '  runbook: docs/runbooks/down.md\n',
  }
  expect(problemsOfLinks(Object.keys(texts), (file) => texts[file] ?? '')).toEqual([
    'README.md sends its readers to docs/b.md, which is not packed',
    'docs/a.md sends its readers to src/a.ts, which is not packed',
    'observability/rules.yml sends its readers to docs/runbooks/down.md, which is not packed',
  ])
})

test('packed code and types that import what the package does not declare are reported', () => {
  const manifest = { name: 'tool', dependencies: { zod: '4' }, peerDependencies: { '@scope/peer': '1' } }
  const texts: Readonly<Record<string, string>> = {
    'dist/index.js': `#!/usr/bin/env node
import { z } from 'zod'
import './own.js'
import 'loaded-at-once'
import {
  peer,
} from '@scope/peer/inner.js'
/**
 * import { example } from 'of-a-comment'
 */
export * from 'node:fs'
export { a } from "exported"
const later = () => import('loaded-later')
`,
    'dist/index.d.ts': `export declare const a: import("zod/v4/core").$strip & import('@scope/other/deep').B;
import type { Update } from '@grammyjs/types';
`,
    'docs/page.md': `import 'page'`,
  }
  const names = problemsOfImports(Object.keys(texts), manifest, (file) => texts[file] ?? '')
  expect(names).toEqual(
    [
      ['dist/index.js', 'loaded-at-once'],
      ['dist/index.js', 'exported'],
      ['dist/index.js', 'loaded-later'],
      ['dist/index.d.ts', '@grammyjs/types'],
      ['dist/index.d.ts', '@scope/other/deep'],
    ].map(([file, name]) => `${file} imports ${name}, which the package does not declare`),
  )
})
