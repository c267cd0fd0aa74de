// npm run bench:soak: ten minutes at 5,000 updates a second, with a Redis that goes away in the middle. Arguments: seconds, updates a second.
import { runCompiled } from './compiled.mjs'

await runCompiled({
  project: 'tsconfig.bench.json',
  source: 'bench/soak.ts',
  output: '.cache/bench/bench/soak.js',
  nodeArgs: ['--expose-gc'],
})
