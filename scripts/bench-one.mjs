// npm run bench:NAME: builds the package, compiles the benches against it, and runs one with the arguments after its name.
import { join } from 'node:path'
import { node, programOf, root } from './run.mjs'

const COLLECTS = '--expose-gc'
/** What each bench needs of Node: those that measure memory call the garbage collector. */
const NODE_ARGS = {
  decorators: [],
  gate: [],
  memory: [COLLECTS],
  mtproto: [COLLECTS],
  observability: [COLLECTS, '--max-semi-space-size=256', '--no-allocation-site-pretenuring'],
  scale: [COLLECTS, '--max-old-space-size=6000'],
  soak: [COLLECTS],
  storage: [],
  telegram: [COLLECTS],
  webhook: [],
}

const [name, ...args] = process.argv.slice(2)
if (!Object.hasOwn(NODE_ARGS, name ?? '')) {
  console.error(`There is no bench "${name}". There are ${Object.keys(NODE_ARGS).join(', ')}.`)
  process.exit(1)
}
// With several in one run, only the first builds.
const build = [
  [join(root, 'scripts', 'build.mjs')],
  [programOf('typescript', 'tsc'), '-p', 'tsconfig.bench.json'],
]
const program = join(root, '.cache/bench/bench', `${name}.js`)
const steps = [
  ...(process.env.BENCH_BUILT ? [] : build),
  ['--enable-source-maps', ...NODE_ARGS[name], program, ...args],
]
for (const step of steps) {
  const code = await node(step)
  if (code !== 0) process.exit(code)
}
