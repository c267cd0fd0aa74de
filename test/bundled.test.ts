import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const ROOT = fileURLToPath(new URL('../', import.meta.url))

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
async function printed(format: 'cjs' | 'esm', contents: string): Promise<string> {
  const outfile = join(folder, format === 'cjs' ? 'bot.cjs' : 'bot.mjs')
  await build({
    stdin: { contents, resolveDir: ROOT, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format,
    outfile,
    packages: 'external',
    logLevel: 'error',
    logOverride: { 'empty-import-meta': 'silent' },
  })
  const { stdout, stderr } = spawnSync(process.execPath, [outfile], { cwd: tmpdir(), encoding: 'utf8' })
  return stdout === '' ? stderr : stdout.trim()
}

describe.each(['cjs', 'esm'] as const)('a bundle in the format %s', (format) => {
  test('opens SQLite with better-sqlite3 of its own folder', async () => {
    const program = `
      import { openDatabase } from './src/storage/sqlite/driver.js'
      process.getBuiltinModule = () => undefined
      console.log(openDatabase('bot.db').opened)`
    expect(await printed(format, program)).toBe('bot.db')
  })

  test('loads the schema of MTProto', async () => {
    const program = `
      import { currentSchema } from './src/mtproto/protocol/tl/schema.js'
      console.log(currentSchema().byName('mt_req_pq_multi').name)`
    expect(await printed(format, program)).toBe('mt_req_pq_multi')
  })
})
