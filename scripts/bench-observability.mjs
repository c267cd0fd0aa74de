// npm run bench:observability: the cost of metrics, traces, health and statistics per update, compared to a guard without them.
import { runCompiled } from './compiled.mjs'

await runCompiled({
  project: 'tsconfig.bench.json',
  source: 'bench/observability.ts',
  output: '.cache/bench/bench/observability.js',
  nodeArgs: ['--expose-gc', '--max-semi-space-size=256', '--no-allocation-site-pretenuring'],
})
