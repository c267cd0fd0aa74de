// npm run bench:memory: how much memory subjects take. Needs the garbage collector in hand.
import { runCompiled } from './compiled.mjs'

await runCompiled({
  project: 'tsconfig.bench.json',
  source: 'bench/memory.ts',
  output: '.cache/bench/bench/memory.js',
  nodeArgs: ['--expose-gc'],
})
