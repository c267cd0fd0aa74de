// npm run demo: runs the example bot, compiled against the built package as in a user's project.
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { node, programOf, root } from './run.mjs'

/** Returns when something in a folder was last written, added or removed, in milliseconds. */
function changedAt(path) {
  const { mtimeMs } = statSync(path)
  const entries = readdirSync(path, { recursive: true }).map((entry) => statSync(join(path, entry)).mtimeMs)
  return Math.max(mtimeMs, ...entries)
}

/**
 * Whether the build is newer than the sources. The schema of the options is written last, and only by a build without errors.
 */
function isBuilt() {
  const built = statSync(join(root, 'dist', 'options.schema.json'), { throwIfNoEntry: false })
  return built !== undefined && built.mtimeMs >= changedAt(join(root, 'src'))
}

const steps = [
  // An up-to-date build is left alone, because other processes may be reading it.
  ...(isBuilt() ? [] : [[join(root, 'scripts', 'build.mjs')]]),
  [programOf('typescript', 'tsc'), '-p', 'tsconfig.examples.json'],
  ['--enable-source-maps', join(root, '.cache/examples/demo/main.js'), ...process.argv.slice(2)],
]
for (const step of steps) {
  process.exitCode = await node(step)
  if (process.exitCode !== 0) break
}
