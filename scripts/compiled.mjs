import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { node, programOf, root } from './run.mjs'

/** Builds the package, compiles a project that uses it, and runs one of its files with the arguments of this process. */
export async function runCompiled({ project, source, output, nodeArgs = [] }) {
  if (!existsSync(join(root, source))) {
    console.error(`${source} does not exist: there is nothing to run`)
    process.exit(1)
  }
  // With several in one run, only the first builds.
  const built = process.env.BENCH_BUILT === project
  const steps = [
    ...(built ? [] : [[join(root, 'scripts', 'build.mjs')], [programOf('typescript', 'tsc'), '-p', project]]),
    ['--enable-source-maps', ...nodeArgs, join(root, output), ...process.argv.slice(2)],
  ]
  for (const step of steps) {
    const code = await node(step)
    if (code !== 0) process.exit(code)
  }
}
