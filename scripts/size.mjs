// npm run size: the size that the package adds to a bot, minified and gzipped, without zod and grammy, bundled from the built package.
// Fails if a part exceeds its budget. Reads dist: build first. With --parts it lists the sizes of the parts.
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { root } from './run.mjs'

/** The long-term goal for the whole core. */
const GOAL = 40_000
/**
 * Budgets in bytes for code that is loaded at once, a little above the measured sizes. Code that not every bot needs should be
 * loaded with import() when it is used. ADR 30 records which fixes needed more, and why.
 */
const CORES = [
  { what: 'memory() and facts', code: `export { describe, memory } from './dist/index.js'`, budget: 21_400 },
  {
    what: 'guards by themselves, fused by compose()',
    code: `export { auth, block, compose, debounce, membership, once, throttle } from './dist/index.js'`,
    budget: 62_600,
  },
  { what: 'bot.use(sentinel())', code: `export { sentinel } from './dist/index.js'`, budget: 83_900 },
]

/** Excludes code that is loaded with import(), which is counted separately. */
const apart = {
  name: 'apart',
  setup(bundler) {
    bundler.onResolve({ filter: /./ }, ({ kind, path }) =>
      kind === 'dynamic-import' ? { path, external: true } : undefined,
    )
  },
}

/** Sizes of the code that a bot loads at once, bundled into one file, and of all code that it may load. */
async function sizeOf(contents) {
  const bundled = (options) =>
    build({
      stdin: { contents, resolveDir: root, sourcefile: 'bot.js' },
      absWorkingDir: root,
      bundle: true,
      minify: true,
      metafile: true,
      write: false,
      outdir: 'bundle',
      format: 'esm',
      platform: 'neutral',
      mainFields: ['module', 'main'],
      target: 'es2022',
      external: ['grammy', 'zod'],
      ...options,
    })
  const { metafile, outputFiles } = await bundled({ plugins: [apart] })
  const core = packed(outputFiles)
  const { outputFiles: all } = await bundled({ splitting: true })
  const parts = {}
  for (const { inputs } of Object.values(metafile.outputs)) {
    for (const [file, { bytesInOutput }] of Object.entries(inputs)) {
      const part = file.startsWith('node_modules/')
        ? file.split('/')[1]
        : file.split('/').slice(1, 3).join('/')
      parts[part] = (parts[part] ?? 0) + bytesInOutput
    }
  }
  return { core, later: Math.max(0, packed(all) - core), parts }
}

const packed = (files) => gzipSync(Buffer.concat(files.map(({ contents }) => contents)), { level: 9 }).length
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
