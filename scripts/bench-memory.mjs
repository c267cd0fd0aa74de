// npm run bench:memory: the cost of the memory storage, compared to rivals. Needs access to the garbage collector.
import { runCompiled } from './compiled.mjs'

await runCompiled({
  project: 'tsconfig.bench.json',
  source: 'bench/memory.ts',
  output: '.cache/bench/bench/memory.js',
  nodeArgs: ['--expose-gc'],
})
