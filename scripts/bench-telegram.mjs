// npm run bench:telegram: the load that the embedded Telegram can take, its start time, and the cost of a test. Arguments: seconds
// of load (60), updates per second (5000). Needs access to the garbage collector.
import { runCompiled } from './compiled.mjs'

await runCompiled({
  project: 'tsconfig.bench.json',
  source: 'bench/telegram.ts',
  output: '.cache/bench/bench/telegram.js',
  nodeArgs: ['--expose-gc'],
})
