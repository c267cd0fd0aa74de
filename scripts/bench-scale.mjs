// npm run bench:scale: from a thousand to five million users. Needs access to the garbage collector.
import { runCompiled } from './compiled.mjs'

await runCompiled({
  project: 'tsconfig.bench.json',
  source: 'bench/scale.ts',
  output: '.cache/bench/bench/scale.js',
  nodeArgs: ['--expose-gc', '--max-old-space-size=6000'],
})
