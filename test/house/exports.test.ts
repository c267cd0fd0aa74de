import { readFileSync } from 'node:fs'
import { unusedExports } from './exports.js'
import { readSources, type SourceFile } from './source.js'

describe('the sources', () => {
  test('export only what another file, a test or an entry of the package uses', () => {
    const { exports, bin } = JSON.parse(readFileSync('package.json', 'utf8')) as Record<string, object>
    // Conditions may be nested.
    const published = JSON.stringify([exports, bin]).matchAll(/"(?:\.\/)?dist\/([^"]+)\.js"/g)
    const entries = [...published].map(([, name]) => `src/${name}.ts`)
    expect(entries.length).toBeGreaterThan(5)
    const users = ['test', 'bench', 'examples', 'scripts'].flatMap((folder) => [
      ...readSources('.', folder, '.ts'),
      ...readSources('.', folder, '.mjs'),
    ])
    const unused = unusedExports(readSources('.', 'src', '.ts'), users, [...new Set(entries)])
    expect(unused).toEqual([])
  })
})

describe('the check of exports', () => {
  const file = (path: string, text: string): SourceFile => ({ path, text })
  /** The names that are reported unused in `src/a.ts`, beside an entry and other files. */
  const unused = (a: string, ...others: readonly [path: string, text: string][]): string[] => {
    const files = [...others, ['src/index.ts', ''] as const].map(([path, text]) => file(path, text))
    const [tests, sources] = [true, false].map((isTest) =>
      files.filter(({ path }) => path.startsWith('test/') === isTest),
    ) as [SourceFile[], SourceFile[]]
    return unusedExports([file('src/a.ts', a), ...sources], tests, ['src/index.ts']).map(
      (problem) => /^src\/a\.ts:\d+: exports (\w+), /.exec(problem)?.[1] ?? problem,
    )
  }

  test.each([
    'export const a = 1',
    'export let a: number',
    'export function a() {}',
    'export async function* a() {}',
    'export class a {}',
    'export abstract class a {}',
    'export interface a {}',
    'export type a = 1',
    'export enum a {}',
    'export const { a } = { a: 1 }',
    'export const [a = 1] = []',
    'const b = 1; export { b as a }',
    `export { b as a } from './index.js'`,
    `export { type a } from './index.js'`,
    `export * as a from './index.js'`,
    'export const a = 1; export const b = a',
  ])('reports what nothing uses: %s', (text) => {
    expect(unused(text)).toContain('a')
  })

  test('reports a default export', () => {
    expect(unused('export default 1')).toEqual(['default'])
    expect(unused('export default 1', ['src/b.ts', `import a from './a.js'`])).toEqual([])
  })

  test('names the line', () => {
    const [problem] = unusedExports([file('src/a.ts', '// é\n\nexport const a = 1')], [], [])
    expect(problem).toBe('src/a.ts:3: exports a, which nothing uses; remove it, or its export')
  })

  test.each([
    [`import { a } from './a.js'`],
    [`import { type a as b } from './a.js'`],
    [`import type { a } from './a.js'`],
    [`export { a } from './a.js'`],
    [`export { a as b } from './a.js'`],
    [`let a: import('./a.js').a`],
    [`let a: import('./a.js').a.b`],
    [`const { a } = await import('./a.js')`],
    [`const part = later(() => import('./a.js')); part.a()`],
    [`let part: typeof import('./a.js'); part.a()`],
    [`import * as part from './a.js'; part.a()`],
  ])('takes for a use: %s', (text) => {
    // The other file may itself export what nothing uses.
    expect(unused('export const a = 1', ['src/b.ts', text])).not.toContain('a')
    expect(unused('export const c = 1', ['src/b.ts', text])).toContain('c')
  })

  test('takes what a test uses for used, also of the built files', () => {
    expect(unused('export const a = 1', ['test/a.test.ts', `import { a } from '../src/a.js'`])).toEqual([])
    expect(
      unused('export const a = 1', ['test/a.mjs', `const { a } = await import('../dist/a.js')`]),
    ).toEqual([])
  })

  test('takes all that an entry exports for used, also of other files', () => {
    const index = (text: string): string[] =>
      unusedExports(
        [file('src/a.ts', 'export const a = 1'), file('src/index.ts', text)],
        [],
        ['src/index.ts'],
      )
    expect(index(`export { a } from './a.js'`)).toEqual([])
    expect(index(`export * from './a.js'`)).toEqual([])
    expect(index('export const b = 1')).toEqual([expect.stringContaining('exports a,')])
  })

  test('does not take a use in the same file, or of the same name in another file, for a use', () => {
    const same: [string, string] = ['src/b.ts', `import { a } from './c.js'`]
    expect(unused('export const a = 1; a', same, ['src/c.ts', 'export const a = 2'])).toEqual(['a'])
  })

  test('throws for an entry that is no file', () => {
    expect(() => unusedExports([], [], ['src/index.ts'])).toThrow('an entry of the package')
  })
})
