// npm run bench:soak: ten minutes at 5,000 updates per second, with an outage of Redis in the middle. Arguments: seconds, updates
// per second.
import { runCompiled } from './compiled.mjs'

await runCompiled({
  project: 'tsconfig.bench.json',
  source: 'bench/soak.ts',
  output: '.cache/bench/bench/soak.js',
  nodeArgs: ['--expose-gc'],
})
