import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { transformSync } from '@swc/core'
import { build } from 'esbuild'
import { type PeerName, peerSpec } from '../src/core/peer.js'
import { readSources } from './house/source.js'

const ROOT = fileURLToPath(new URL('../', import.meta.url))
/** All packages but these. */
const OTHERS = ['src/cli/']

const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  readonly peerDependencies: Readonly<Record<string, string>>
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional?: boolean }>>
  readonly exports: object
}

let folder: string

// The package as installed by a user who did not install any optional dependency.
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sentinel-peers-'))
  const exports = JSON.parse(JSON.stringify(manifest.exports).replaceAll('./dist/', './src/'))
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'grammy-sentinel', type: 'module', exports }),
  )
  for (const { path, text } of readSources(ROOT, 'src', '.ts')) {
    if (OTHERS.some((room) => path.startsWith(room))) continue
    const out = join(folder, path.replace(/\.ts$/, '.js'))
    mkdirSync(dirname(out), { recursive: true })
    const { code } = transformSync(text, { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' } })
    writeFileSync(out, code)
  }
  mkdirSync(join(folder, 'node_modules'))
  for (const name of ['zod', 'cockatiel', 'grammy']) {
    symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name))
  }
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs a program there, and returns the error that it ends with. */
function errorOf(program: string): { readonly code: string; readonly message: string } {
  writeFileSync(
    join(folder, 'program.js'),
    `try {\n${program}\n} catch ({ code, message }) {\n  console.log(JSON.stringify({ code, message }))\n}\nprocess.exit()`,
  )
  const { stdout, stderr } = spawnSync(process.execPath, ['program.js'], { cwd: folder, encoding: 'utf8' })
  if (stdout === '') throw new Error(`there was no error: ${stderr}`)
  return JSON.parse(stdout) as { code: string; message: string }
}

test('install commands name the versions that package.json asks for', () => {
  const optional = Object.keys(manifest.peerDependenciesMeta)
  expect(optional.map((name) => peerSpec(name as PeerName))).toEqual(
    optional.map((name) => `${name}@${manifest.peerDependencies[name]}`),
  )
})

test.each<[string, string, readonly PeerName[], string]>([
  [
    'ioredis',
    `const { redis } = await import('./src/storage/redis/index.js'); await redis('redis://localhost').values.get('s', 'k')`,
    ['ioredis'],
    'peer.missing',
  ],
  [
    'pg',
    `const { postgres } = await import('./src/storage/postgres/index.js'); await postgres('postgres://localhost/x').values.get('s', 'k')`,
    ['pg'],
    'peer.missing',
  ],
  [
    'any SQLite',
    // As in a Node before 22.5.
    `process.getBuiltinModule = () => undefined; const { sqlite } = await import('./src/storage/sqlite/index.js'); await sqlite('bot.db').values.get('s', 'k')`,
    ['better-sqlite3'],
    'peer.missing',
  ],
  [
    'fast-check',
    `const { storageConformance } = await import('./src/testing/conformance.js')
     const { memory } = await import('./src/storage/memory/memory.js')
     await storageConformance({ make: (clock) => memory({ clock }) }).at(-1).run()`,
    ['fast-check'],
    'peer.missing',
  ],
  [
    'the packages of mtcute',
    `const { mtproto } = await import('./src/mtproto/index.js'); await mtproto({ apiId: 1, apiHash: 'a' }).connect()`,
    ['@mtcute/core', '@mtcute/wasm', '@fuman/node'],
    'mtproto.missing',
  ],
])(
  'without %s nothing fails before it is used, and then the error says what to install',
  (_, program, names, code) => {
    const error = errorOf(program)
    expect(error.code).toBe(code)
    expect(error.message).toContain(`npm install ${names.map(peerSpec).join(' ')}`)
  },
)

test.each([
  ['redis', `redis('redis://localhost')`, 'ioredis'],
  ['postgres', `postgres('postgres://localhost/x')`, 'pg'],
  ['sqlite', `sqlite('bot.db')`, 'better-sqlite3'],
] as const)(
  'a sentinel on %s without its driver still protects the bot, and says what to install',
  (kind, made, name) => {
    const { message } = errorOf(`
    process.getBuiltinModule = () => undefined
    const { Bot } = await import('grammy')
    const { sentinel } = await import('./src/sentinel.js')
    const { ${kind} } = await import('./src/storage/${kind}/index.js')
    const said = []
    console.warn = (line) => said.push(line)
    console.error = () => undefined
    const guard = sentinel({ storage: ${made}, throttle: '3/1m', block: { list: [8] } })
    const bot = new Bot('42:token', { botInfo: { id: 42, is_bot: true, first_name: 'b', username: 'b' } })
    bot.api.config.use(async () => ({ ok: true, result: true }))
    const passed = []
    bot.use(guard, (ctx) => passed.push(ctx.update.update_id))
    const says = (id, from) => bot.handleUpdate({ update_id: id, message: {
      message_id: id, date: 1, text: 'a' + id, from: { id: from, is_bot: false, first_name: 'a' }, chat: { id: from, type: 'private', first_name: 'a' } } })
    await says(1, 8)
    for (const id of [2, 2, 3, 4, 5]) await says(id, 7)
    const { storage } = await guard.health()
    throw { message: JSON.stringify({ passed, said, ok: storage.ok, kind: storage.kind, reason: storage.circuit.reason, told: storage.circuit.message }) }`)
    const { passed, said, told, ...health } = JSON.parse(message) as Record<string, unknown>
    expect(passed).toEqual([2, 3, 4])
    expect(health).toEqual({ ok: false, kind, reason: 'peer.missing' })
    expect(told).toContain(`npm install ${peerSpec(name)}`)
    expect(said).toEqual([
      expect.stringMatching(
        `^grammy-sentinel: the storage [(]${kind}[)] is down: peer[.]missing[.] .*npm install ${name}@`,
      ),
    ])
  },
)

/** The entry points that import their packages at once. */
const AT_ONCE: readonly (readonly [entry: string, needs: PeerName])[] = [
  ['metrics', 'prom-client'],
  ['logging', 'pino'],
  ['tracing', '@opentelemetry/api'],
]

test.each(AT_ONCE)('importing grammy-sentinel/%s without %s tells what to install', (entry, name) => {
  const { code, message } = errorOf(`await import('grammy-sentinel/${entry}')`)
  const spec = peerSpec(name)
  expect(code).toBe('peer.missing')
  expect(message).toBe(
    `grammy-sentinel/${entry}: its package is not installed. Run \`npm install ${spec.includes(' ') ? `"${spec}"` : spec}\`.`,
  )
})

test('import, require and bundlers all get the same module', async () => {
  const names = AT_ONCE.map(([, name]) => name)
  for (const name of names) {
    const link = join(folder, 'node_modules', name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules', name), link)
  }
  try {
    for (const [entry] of AT_ONCE) {
      const direct = `./src/observability/${entry}/index.js`
      const { code } = errorOf(
        `const { createRequire } = await import('node:module')
         const imported = await import('grammy-sentinel/${entry}')
         const required = createRequire(import.meta.url)('grammy-sentinel/${entry}')
         const bundled = await import('${direct}')
         throw { code: [imported, required].every((each) => typeof each.${entry} === 'function' && each.${entry} === bundled.${entry}) }`,
      )
      expect([entry, code]).toEqual([entry, true])
    }
    // This format does not support top-level await. esbuild adds the condition `module` unless it is given others; Bun, whose
    // conditions are the second list, never adds it.
    for (const conditions of [undefined, ['node', 'bun', 'node-addons']]) {
      const { metafile } = await build({
        stdin: {
          contents: AT_ONCE.map(([entry]) => `export * from 'grammy-sentinel/${entry}'`).join('\n'),
          resolveDir: folder,
        },
        absWorkingDir: folder,
        bundle: true,
        write: false,
        metafile: true,
        platform: 'node',
        format: 'cjs',
        ...(conditions !== undefined && { conditions }),
      })
      const bundled = Object.keys(metafile.inputs)
      for (const [entry] of AT_ONCE) expect(bundled).toContain(`src/observability/${entry}/index.js`)
      expect(bundled).not.toContainEqual(expect.stringMatching(/entry\.js$/))
    }
  } finally {
    for (const name of names) rmSync(join(folder, 'node_modules', name))
  }
})

test('a bundle in one file of grammy-sentinel/testing runs without optional packages, and MTProto says what to install', async () => {
  const { warnings } = await build({
    stdin: { contents: `export * from 'grammy-sentinel/testing'`, resolveDir: folder },
    absWorkingDir: folder,
    bundle: true,
    outfile: join(folder, 'testing.mjs'),
    platform: 'node',
    format: 'esm',
    // The grammy of the tests is beside the bundle.
    external: ['grammy', 'zod'],
  })
  expect(warnings).toEqual([])
  const { code, message } = errorOf(
    `const { createTelegram, storageConformance } = await import('./testing.mjs')
     const telegram = createTelegram()
     telegram.createBot({ username: 'a_bot' })
     const errors = [telegram.mtproto(), storageConformance({ make: () => undefined }).at(-1).run()]
     throw { code: (await Promise.allSettled(errors)).map(({ reason }) => reason.code).join(), message: String(await telegram.mtproto().catch(String)) }`,
  )
  expect(code).toBe('mtproto.missing,peer.missing')
  expect(message).toContain(`npm install ${peerSpec('@mtcute/core')} ${peerSpec('@mtcute/wasm')}`)
})

test('a dependency missing inside an installed package is reported unchanged', () => {
  const broken = join(folder, 'node_modules', 'ioredis')
  mkdirSync(broken)
  writeFileSync(join(broken, 'package.json'), '{ "name": "ioredis", "type": "module", "main": "index.js" }')
  writeFileSync(join(broken, 'index.js'), `import 'no-such-package'`)
  try {
    const { code, message } = errorOf(
      `const { redis } = await import('./src/storage/redis/index.js'); await redis('redis://localhost').values.get('s', 'k')`,
    )
    expect(code).not.toBe('peer.missing')
    expect(message).toContain('no-such-package')
  } finally {
    rmSync(broken, { recursive: true })
  }
})
