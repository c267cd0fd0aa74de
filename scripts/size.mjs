// npm run size: how much a bot carries that uses the package: minified and gzipped, zod and grammy apart, as a bundler packs the
// built package. Fails when the core is over its budget. Reads dist: build first.
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { root } from './run.mjs'

/** Bytes of what `bot.use(sentinel())` loads at once. */
const BUDGET = 40_000

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
const { core, later, parts } = await sizeOf(`export { sentinel } from './dist/index.js'`)
const all = await sizeOf(`export * from './dist/index.js'`)
console.log(
  `size: bot.use(sentinel()) loads ${kb(core)} of ${kb(BUDGET)} minified and gzipped, and ${kb(later)} if used`,
)
console.log(`size: all that the core entry exports: ${kb(all.core)}, and ${kb(all.later)} if used`)
if (process.argv.includes('--parts') || core > BUDGET) {
  const largest = Object.entries(parts).sort(([, a], [, b]) => b - a)
  for (const [part, bytes] of largest.slice(0, 25))
    console.log(`  ${kb(bytes).padStart(9)}  ${part} (minified)`)
}
if (core > BUDGET) {
  console.error(
    `size: ${core - BUDGET} bytes over. What not every bot needs is best loaded by import() when it is used.`,
  )
  process.exitCode = 1
}
