// npm run demo: the example bot, compiled against the built package as a user's own would be.
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { node, programOf, root } from './run.mjs'

/** When something in a folder was last written, added or removed, in milliseconds. */
function changedAt(path) {
  const { mtimeMs } = statSync(path)
  const entries = readdirSync(path, { recursive: true }).map((entry) => statSync(join(path, entry)).mtimeMs)
  return Math.max(mtimeMs, ...entries)
}

/**
 * Whether the package was built from the sources as they are. The schema of the options is written last, and only by a
 * build without errors.
 */
function isBuilt() {
  const built = statSync(join(root, 'dist', 'options.schema.json'), { throwIfNoEntry: false })
  return built !== undefined && built.mtimeMs >= changedAt(join(root, 'src'))
}

const steps = [
  // Others may be reading the package: what is as it should be is left alone.
  ...(isBuilt() ? [] : [[join(root, 'scripts', 'build.mjs')]]),
  [programOf('typescript', 'tsc'), '-p', 'tsconfig.examples.json'],
  ['--enable-source-maps', join(root, '.cache/examples/demo/main.js'), ...process.argv.slice(2)],
]
for (const step of steps) {
  process.exitCode = await node(step)
  if (process.exitCode !== 0) break
}
