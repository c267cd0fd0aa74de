import { checkImports, importsOf } from './imports.js'
import { parse, readSources, type SourceFile } from './source.js'

const file = (path: string, text: string): SourceFile => ({ path: `src/${path}`, text })
const STOCK = [
  file('core/limit.ts', 'export const limit = 1'),
  file('storage/contract/storage.ts', 'export interface Storage {}'),
  file('storage/contract/plan.ts', 'export const checkPlan = 1'),
  file('storage/contract/values.ts', 'export interface Values {}'),
  file('storage/memory/memory.ts', 'export const memory = 1'),
  file('storage/redis/redis.ts', 'export const redis = 1'),
  file('storage/resilient.ts', 'export const resilient = 1'),
  file('hooks/hooks.ts', 'export const hooks = 1'),
  file('middleware/throttle.ts', 'export const throttle = 1'),
  file('telegram/index.ts', 'export const telegram = 1'),
  file('testing/index.ts', 'export const testing = 1'),
  file('cli/main.ts', 'export const main = 1'),
  file('sentinel.ts', 'export const sentinel = 1'),
  file('options/index.ts', 'export const options = 1'),
  file('options/schema.ts', 'export const schema = 1'),
]
/** The problems of valid sources with one more file. */
const problemsOf = (path: string, text: string): string[] => checkImports([...STOCK, file(path, text)])

describe('the sources', () => {
  test('follow the rules of imports', () => {
    const files = readSources('.', 'src', '.ts')
    expect(files.length).toBeGreaterThan(5)
    expect(checkImports(files)).toEqual([])
  })

  test('contain no compiled files, which would be loaded instead of the sources', () => {
    const strays = ['src', 'test', 'bench', 'examples'].flatMap((folder) => readSources('.', folder, '.js'))
    expect(strays.map(({ path }) => path)).toEqual([])
  })

  test('are tested by files of one subject each, at most 800 lines long', () => {
    const long = readSources('.', 'test', '.test.ts').filter(({ text }) => text.split('\n').length > 801)
    expect(long.map(({ path }) => `${path}: split it by subject`)).toEqual([])
  })
})

describe('the check of import directions', () => {
  test('reports nothing for valid sources', () => {
    expect(checkImports(STOCK)).toEqual([])
  })

  test.each([
    ['core/x.ts', '../storage/contract/storage.js'],
    ['core/x.ts', '../options/index.js'],
    ['storage/x.ts', '../hooks/hooks.js'],
    ['storage/memory/x.ts', '../redis/redis.js'],
    ['storage/memory/x.ts', '../resilient.js'],
    ['hooks/x.ts', '../middleware/throttle.js'],
    ['observability/x.ts', '../policies/policy.js'],
    ['middleware/x.ts', '../observability/observed.js'],
    ['middleware/x.ts', '../sentinel.js'],
    ['middleware/x.ts', '../options/schema.js'],
    ['options/x.ts', '../sentinel.js'],
    ['options/x.ts', '../telegram/index.js'],
    ['middleware/x.ts', '../telegram/index.js'],
    ['policies/x.ts', '../cli/main.js'],
    ['outgoing/x.ts', '../telegram/index.js'],
    ['telegram/x.ts', '../middleware/throttle.js'],
    ['telegram/x.ts', '../storage/contract/storage.js'],
    ['telegram/x.ts', '../testing/index.js'],
    ['testing/x.ts', '../middleware/throttle.js'],
    ['sentinel.ts', './testing/index.js'],
    ['storage/contract/values.ts', '../memory/memory.js'],
    ['storage/shared/x.ts', '../redis/redis.js'],
    ['storage/hybrid/x.ts', '../resilient.js'],
    ['storage/attic/x.ts', '../contract/plan.js'],
    ['storage/contract/storage.ts', '../resilient.js'],
    ['mtproto/x.ts', '../telegram/index.js'],
    ['sentinel.ts', './telegram/index.js'],
    ['index.ts', './cli/main.js'],
    ['attic/x.ts', '../core/limit.js'],
    ['core/x.ts', './missing.js'],
    ['core/x.ts', 'grammy-sentinel'],
    ['core/x.ts', 'node:fs'],
    ['core/x.ts', 'crypto'],
    ['core/x.ts', '@grammyjs/types'],
    ['telegram/x.ts', 'esbuild'],
    ['storage/memory/x.ts', 'node:crypto'],
  ])('src/%s may not import %s', (path, specifier) => {
    expect(problemsOf(path, `import { a } from '${specifier}'`)).toHaveLength(1)
  })

  test.each([
    ['storage/memory/x.ts', '../contract/storage.js'],
    ['storage/memory/x.ts', '../contract/plan.js'],
    ['storage/redis/x.ts', '../contract/plan.js'],
    ['options/x.ts', './schema.js'],
    ['options/x.ts', '../middleware/throttle.js'],
    ['sentinel.ts', './options/schema.js'],
    ['storage/memory/x.ts', './memory.js'],
    ['storage/resilient2.ts', './memory/memory.js'],
    ['storage/redis/x.ts', 'node:net'],
    ['middleware/x.ts', '../hooks/hooks.js'],
    ['sentinel.ts', './middleware/throttle.js'],
    ['telegram/x.ts', 'node:http'],
    ['telegram/index.ts', '../testing/index.js'],
    ['storage/contract/storage.ts', './values.js'],
    ['storage/memory/x.ts', '../contract/values.js'],
    ['cli/x.ts', '../telegram/index.js'],
    ['core/x.ts', 'grammy/types'],
    ['mtproto/x.ts', '@mtcute/core/utils.js'],
  ])('src/%s may import %s', (path, specifier) => {
    expect(problemsOf(path, `import { a } from '${specifier}'`)).toEqual([])
  })

  test.each([
    `import '../storage/contract/storage.js'`,
    `import type { Storage } from '../storage/contract/storage.js'`,
    `export * from '../storage/contract/storage.js'`,
    `export type { Storage } from '../storage/contract/storage.js'`,
    `const storage = await import('../storage/contract/storage.js')`,
    'const storage = () => import(`../storage/contract/storage.js`)',
    `let storage: import('../storage/contract/storage.js').Storage`,
    `declare module '../storage/contract/storage.js' { interface Storage { more: 1 } }`,
    `const storage = require('../storage/contract/storage.js')`,
    'export const load = (name: string) => import(name)',
  ])('recognizes every form of import: %s', (text) => {
    expect(problemsOf('core/x.ts', text)).toEqual([expect.stringMatching(/^src\/core\/x\.ts:1: /)])
  })

  test('ignores comments and texts, and counts multi-byte letters correctly', () => {
    const text = `#!/usr/bin/env node
// import 'é'
const s = "import '../hooks/hooks.js'" // ünï
/* export * from '../hooks/hooks.js' */
import { a } from './real.js'`
    expect(importsOf(parse(file('core/x.ts', text)))).toEqual([{ specifier: './real.js', line: 5 }])
  })
})

describe('the check of the order in src/middleware/', () => {
  const names = [
    'chain/control',
    'chain/chain-plan',
    'services',
    'pipeline',
    'position/layer',
    'position/place',
    'block/list',
  ]
  const files = [...STOCK, ...names.map((name) => file(`middleware/${name}.ts`, 'export const a = 1'))]
  const problemsWith = (from: string, to: string): string[] =>
    checkImports([...files, file(`middleware/${from}.ts`, `import { a } from '${to}.js'`)])

  test.each([
    ['chain/control', './chain-plan'],
    ['chain/closing', '../pipeline'],
    ['chain/closing', '../throttle'],
    ['guard', './pipeline'],
    ['pipeline', './position/layer'],
    ['compose', './throttle'],
  ])('src/middleware/%s.ts may not import %s', (from, to) => {
    expect(problemsWith(from, to)).toEqual([expect.stringContaining('which is above it')])
  })

  test.each([
    ['chain/closing', './control'],
    ['services', './chain/chain-plan'],
    ['pipeline', './position/place'],
    ['pipeline', './block/list'],
    ['compose', './pipeline'],
    ['once', './throttle'],
    ['block/administration', '../throttle'],
  ])('src/middleware/%s.ts may import %s', (from, to) => {
    expect(problemsWith(from, to)).toEqual([])
  })
})

describe('the check of cycles', () => {
  const a = (text: string) => file('core/a.ts', text)
  const b = file('core/b.ts', `import { a } from './a.js'`)

  test('reports a cycle by values', () => {
    expect(checkImports([a(`export { b } from './b.js'`), b])).toEqual([
      'cycle: src/core/a.ts -> src/core/b.ts -> src/core/a.ts',
    ])
    // Kept at run time, as `import {} from`.
    expect(checkImports([a(`import { type B } from './b.js'`), b])).toHaveLength(1)
  })

  test('reports a cycle by types', () => {
    expect(checkImports([a(`import type { B } from './b.js'`), b])).toHaveLength(1)
    expect(checkImports([a(`export type B = import('./b.js').B`), b])).toHaveLength(1)
  })

  test('reports a cycle by types among the parts of a chain', () => {
    const chain = file('middleware/chain/a.ts', `import type { Guard } from '../guard.js'`)
    const guard = file('middleware/guard.ts', `import { a } from './chain/a.js'`)
    expect(checkImports([chain, guard])).toEqual([
      'cycle: src/middleware/chain/a.ts -> src/middleware/guard.ts -> src/middleware/chain/a.ts',
    ])
  })
})

describe('the check of Node-only modules and globals', () => {
  test.each([
    'export const env = process.env',
    'export const there = typeof process',
    'export const env = globalThis.process',
    'export const b = () => Buffer.alloc(1)',
    'export type B = Buffer',
    'setInterval(() => {}, 1000)',
    'export const t = globalThis.setTimeout(() => {}, 1)',
    'export class T { static t = setTimeout(() => {}, 1) }',
    'export class T { static { setTimeout(() => {}, 1) } }',
    ';(() => { setTimeout(() => {}, 1) })()',
  ])('reports %s', (text) => {
    expect(problemsOf('middleware/x.ts', text)).toHaveLength(1)
    expect(problemsOf('cli/x.ts', text)).toEqual([])
  })

  test.each([
    'export const later = () => setTimeout(() => {}, 1)',
    'export function later() { setTimeout(() => {}, 1) }',
    'export class T { t = setTimeout(() => {}, 1); go() { setInterval(() => {}, 1) } }',
    'export const o = { process: 1, Buffer() {} }; export const p = o.process',
    'export interface I { process: number; Buffer(): void }',
    '// process.exit(), Buffer, setTimeout()',
  ])('accepts %s', (text) => {
    expect(problemsOf('middleware/x.ts', text)).toEqual([])
  })
})

test('the check of length allows 450 lines', () => {
  expect(problemsOf('core/x.ts', '//\n'.repeat(450))).toEqual([])
  expect(problemsOf('core/x.ts', '//\n'.repeat(451))).toEqual([expect.stringContaining('451 lines')])
})
