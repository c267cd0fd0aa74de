import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BuildOptions, build } from 'esbuild'
import { sharedPostgres, sharedRedis } from './servers/shared.js'

const ROOT = fileURLToPath(new URL('../', import.meta.url))

/** Several files, with all packages. Those in the format CommonJS need `require` for modules of Node. */
const SPLIT = {
  format: 'esm',
  splitting: true,
  banner: {
    js: `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)`,
  },
} as const

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sentinel-bundled-'))
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, 'better-sqlite3'), { recursive: true })
  writeFileSync(
    join(modules, 'better-sqlite3', 'index.js'),
    'module.exports = class { constructor(path) { this.opened = path } }',
  )
  symlinkSync(join(ROOT, 'node_modules', '@mtcute'), join(modules, '@mtcute'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Bundles a program beside its `node_modules`, runs it in another folder, and returns what it prints. */
async function printed(contents: string, options: BuildOptions & { format: 'cjs' | 'esm' }): Promise<string> {
  const extension = options.format === 'cjs' ? '.cjs' : '.mjs'
  await build({
    stdin: { contents, resolveDir: ROOT, loader: 'ts' },
    bundle: true,
    platform: 'node',
    outdir: folder,
    entryNames: 'bot',
    outExtension: { '.js': extension },
    logLevel: 'error',
    logOverride: { 'empty-import-meta': 'silent' },
    ...options,
  })
  const program = join(folder, `bot${extension}`)
  const { stdout, stderr } = spawnSync(process.execPath, [program], { cwd: tmpdir(), encoding: 'utf8' })
  return stdout === '' ? stderr : stdout.trim()
}

describe.each(['cjs', 'esm'] as const)('a bundle in the format %s', (format) => {
  test('opens SQLite with better-sqlite3 of its own folder', async () => {
    const program = `
      import { openDatabase } from './src/storage/sqlite/driver.js'
      process.getBuiltinModule = () => undefined
      console.log(openDatabase('bot.db').opened)`
    expect(await printed(program, { format, packages: 'external' })).toBe('bot.db')
  })

  test('loads the schema of MTProto', async () => {
    const program = `
      import { currentSchema } from './src/mtproto/protocol/tl/schema.js'
      console.log(currentSchema().byName('mt_req_pq_multi').name)`
    expect(await printed(program, { format, packages: 'external' })).toBe('mt_req_pq_multi')
  })
})

describe('a bundle of several files, with its packages,', () => {
  test.each([
    ['redis', sharedRedis],
    ['postgres', sharedPostgres],
  ] as const)('reaches the storage %s', async (kind, shared) => {
    const program = `
      import { ${kind} } from './src/storage/${kind}/index.js'
      const storage = ${kind}('${await shared()}')
      console.log(await storage.values.get('bundled', 'missing'))
      await storage.close()`
    expect(await printed(program, SPLIT)).toBe('undefined')
  })

  test('runs random schedules of the suite for storages', async () => {
    const program = `
      import { storageConformance } from './src/testing/conformance.js'
      import { memory } from './src/storage/memory/memory.js'
      await storageConformance({ make: (clock) => memory({ clock }), schedules: 1 }).at(-1).run()
      console.log('passed')`
    expect(await printed(program, SPLIT)).toBe('passed')
  })
})
