// npm run size: how much a bot carries that uses the package: minified and gzipped, zod and grammy apart, as a bundler packs the
// built package. Fails when a part has outgrown its budget. Reads dist: build first. With --parts it says what takes how much.
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { root } from './run.mjs'

/** What all of it is to come to one day. */
const GOAL = 40_000
/**
 * Bytes that are loaded at once. Budgets lie a little above what was measured, and only ever come down: whoever adds what not
 * every bot needs loads it by import() when it is used.
 */
const CORES = [
  { what: 'memory() and facts', code: `export { describe, memory } from './dist/index.js'`, budget: 22_000 },
  {
    what: 'guards by themselves, fused by compose()',
    code: `export { auth, block, compose, debounce, membership, once, throttle } from './dist/index.js'`,
    budget: 66_000,
  },
  { what: 'bot.use(sentinel())', code: `export { sentinel } from './dist/index.js'`, budget: 102_000 },
]

/** What is bundled, and what of it is loaded only when it is used. */
async function sizeOf(contents) {
  const { metafile, outputFiles } = await build({
    stdin: { contents, resolveDir: root, sourcefile: 'bot.js' },
    absWorkingDir: root,
    bundle: true,
    splitting: true,
    minify: true,
    metafile: true,
    write: false,
    outdir: 'bundle',
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    target: 'es2022',
    external: ['grammy', 'zod'],
  })
  const bytes = new Map(
    outputFiles.map(({ path, contents }) => [
      path.slice(root.length),
      gzipSync(contents, { level: 9 }).length,
    ]),
  )
  const entry = Object.keys(metafile.outputs).find((path) => metafile.outputs[path].entryPoint === 'bot.js')
  const atOnce = new Set()
  const visit = (path) => {
    if (atOnce.has(path)) return
    atOnce.add(path)
    for (const { path: other, kind, external } of metafile.outputs[path].imports) {
      if (kind === 'import-statement' && external !== true) visit(other)
    }
  }
  visit(entry)
  let core = 0
  let later = 0
  for (const path of Object.keys(metafile.outputs)) {
    if (atOnce.has(path)) core += bytes.get(path)
    else later += bytes.get(path)
  }
  const parts = {}
  for (const path of atOnce) {
    for (const [file, { bytesInOutput }] of Object.entries(metafile.outputs[path].inputs)) {
      const part = file.startsWith('node_modules/')
        ? file.split('/')[1]
        : file.split('/').slice(1, 3).join('/')
      parts[part] = (parts[part] ?? 0) + bytesInOutput
    }
  }
  return { core, later, parts }
}

const kb = (bytes) => `${(bytes / 1000).toFixed(1)} kB`
for (const { what, code, budget } of CORES) {
  const { core, later, parts } = await sizeOf(code)
  console.log(
    `size: ${what}: ${kb(core)} minified and gzipped (budget ${kb(budget)}, goal ${kb(GOAL)}), and ${kb(later)} if used`,
  )
  if (process.argv.includes('--parts') || core > budget) {
    const largest = Object.entries(parts).sort(([, a], [, b]) => b - a)
    for (const [part, bytes] of largest.slice(0, 25))
      console.log(`  ${kb(bytes).padStart(9)}  ${part} (minified)`)
  }
  if (core <= budget) continue
  console.error(
    `size: ${core - budget} bytes over. What not every bot needs is best loaded by import() when it is used.`,
  )
  process.exitCode = 1
}
